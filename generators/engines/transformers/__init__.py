"""The engine that runs a model of `transformers` in this process."""
