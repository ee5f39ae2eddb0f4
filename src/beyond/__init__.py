"""Beyond: what the book judges that the paper did not: calibration, restricted means, other PDAs, a search."""
