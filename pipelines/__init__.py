"""Recipes compiled to steps and run: sources, logs, tables and releases."""
