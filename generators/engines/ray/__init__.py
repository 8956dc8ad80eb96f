"""Replicas of an engine as Ray actors, behind the one Protocol of engines."""
