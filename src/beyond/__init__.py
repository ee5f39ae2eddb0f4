"""Beyond: what the book computes that the paper did not: errors of the maps, attenuation, calibration, other PDAs."""
