"""The downstream proof of a release: a student trained on it, beside the same student trained on what it is to beat."""
