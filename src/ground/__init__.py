"""Ground: what all parts stand on: errors, command lines, files of parameters, results kept whole and under keys."""
