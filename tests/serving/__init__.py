"""A live model in a process."""
