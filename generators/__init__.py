"""What makes rows: engines, prompts, and the steps that ask models."""
