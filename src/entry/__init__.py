"""Entry: what a person hands to the program, judged before anything is done with it."""
