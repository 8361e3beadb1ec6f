"""What is pushed to a server with the hook: attacks, and their honest twins."""
