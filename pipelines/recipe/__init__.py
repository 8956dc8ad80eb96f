"""Recipes: read, checked to the last key, and copied."""
