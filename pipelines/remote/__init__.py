"""A workspace in an object store: its working copy on this machine, and what of it is published there."""
