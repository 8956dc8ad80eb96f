"""What makes rows: engines, prompts and the stages that ask models."""
