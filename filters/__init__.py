"""What judges and parts rows: pure functions over tables."""
