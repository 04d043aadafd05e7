"""Losses of one prediction for one of two classes."""
