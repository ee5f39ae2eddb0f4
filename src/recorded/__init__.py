"""Recorded: what a laboratory brings, checked against a contract and read as the simulated patients are."""
