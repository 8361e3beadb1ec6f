"""The registry as pages."""
