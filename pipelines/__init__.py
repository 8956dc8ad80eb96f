"""The order of stages, the sources, the logs, the tables and the releases."""
