"""The workspace on disk: logs, media, tables, and how each file comes into being."""
