"""Reading: what readers move, draw and practise; no result of the book depends on it."""
