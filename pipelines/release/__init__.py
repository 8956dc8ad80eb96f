"""Releases: immutable folders of parquet, with a manifest, a card and numbers."""
