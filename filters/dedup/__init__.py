"""Finding rows that say the same thing twice, level by level, and keeping the best of them."""
