"""Keeping evaluation sets out of the training data: by their words, their meaning and their images."""
