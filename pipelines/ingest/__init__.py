"""Rows of sources become samples, and their images files of the media store."""
