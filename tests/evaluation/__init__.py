"""Versions measured by one command on the same data."""
