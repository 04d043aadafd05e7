"""Losses of overlap between a predicted and a true region."""
