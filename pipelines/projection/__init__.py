"""How long a recipe would take at a size that nobody has run, and which resource sets that."""
