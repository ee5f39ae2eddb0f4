"""Reading: what explains a page before its numbers do: drawings made from the settings of the run."""
