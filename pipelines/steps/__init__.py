"""Step types of the pipelines: what begins a recipe, what needs a whole set at once, and what ends in files."""
