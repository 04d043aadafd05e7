"""Losses of times until an event, which may be known in part only."""
