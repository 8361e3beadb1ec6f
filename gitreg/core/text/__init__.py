"""Text that every folder of the core needs: near misses, times, URLs and their secrets."""
