"""Learning: images, networks, training and search."""
