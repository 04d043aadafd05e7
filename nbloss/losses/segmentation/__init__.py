"""Losses for segmentation: a label for each pixel of an image."""
