"""Losses of a row of predictions, one a class."""
