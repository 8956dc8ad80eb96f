"""Releases in the form that each trainer reads: one file a trainer."""
