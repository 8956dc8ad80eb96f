"""Verifiers: one door (`verifier.verify`), one file a kind, and the same code as the reward that trainers call."""
