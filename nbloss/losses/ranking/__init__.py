"""Losses of lists that are to be put in order."""
