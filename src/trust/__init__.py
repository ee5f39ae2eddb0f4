"""Trust: what is done to the method, to see how far it holds; nothing of the paper's path needs it."""
