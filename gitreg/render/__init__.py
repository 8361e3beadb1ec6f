"""Results as text, JSON and reports."""
