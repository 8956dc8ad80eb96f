"""Choosing: which samples are worth training on."""
