"""Losses of a prediction on the scale of its target."""
