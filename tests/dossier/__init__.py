"""Papers about a model: its card."""
