"""Publishing operations: compare-and-swap, retries, the clone, tags."""
