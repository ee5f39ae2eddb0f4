"""Data: who the patients are, their echoes and outlines, simulated or recorded."""
