"""Keeps evaluation sets out of the training data, by words, meaning and images."""
