"""The report: one self-contained page that shows what became of every sample of a release, and why."""
