"""A live model in a process: it follows its reference, and serves on when a new version fails."""
