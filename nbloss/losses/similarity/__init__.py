"""Losses of the similarity of vectors."""
