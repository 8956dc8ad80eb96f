"""The published rules, a file each: what a sample is worth, and why some are out."""
