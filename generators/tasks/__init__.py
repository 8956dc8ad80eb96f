"""Procedural tasks: rows of any shape that published datasets have, whose truth is known."""
