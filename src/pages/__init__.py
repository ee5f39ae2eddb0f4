"""Pages: what the chapters put on their pages: drawings, tables, sentences and examples; no result depends on it."""
