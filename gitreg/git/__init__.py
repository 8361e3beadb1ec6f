"""The only package that reads a Git repository, writes to one or runs Git."""
