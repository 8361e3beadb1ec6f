"""The bytes of versions and where they came from."""
