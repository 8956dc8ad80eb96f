"""What became of a row, in SQL, as a story, or on a few rows beforehand."""
