"""Tells others of each move of a reference: a command, a cluster, a webhook."""
