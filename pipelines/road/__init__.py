"""The fixed road: stages in one order, each with its section of a recipe."""
