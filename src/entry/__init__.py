"""Entry: where a person meets the program: files of parameters, command lines, what chapters are given."""
