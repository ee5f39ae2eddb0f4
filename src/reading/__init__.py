"""Reading: what readers move, draw and practise on the pages; no result depends on it."""
