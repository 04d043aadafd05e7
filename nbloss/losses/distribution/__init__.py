"""Losses of means: negative log-likelihoods of counts and amounts, by the logarithm of the mean."""
