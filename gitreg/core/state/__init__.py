"""The state of a registry at a commit, and how it changes over commits."""
