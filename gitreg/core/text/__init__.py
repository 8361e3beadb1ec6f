"""Text that every room needs: near misses, times, addresses."""
