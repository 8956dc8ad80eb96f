"""The engines behind `schemas.engine.Engine`: transformers, vLLM in-process, and OpenAI-compatible servers."""
