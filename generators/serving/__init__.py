"""A fleet of `vllm serve` on one machine, from the models of a recipe."""
