"""Checks: the questions a sample is asked once more, with something taken away, moved or re-formed. Scores, never drops."""
