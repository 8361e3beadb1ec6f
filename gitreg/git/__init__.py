"""The door to Git: the only package that reads, writes or runs it."""
