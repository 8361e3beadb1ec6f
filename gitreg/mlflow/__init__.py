"""MLflow's own code, unchanged, on a registry of gitreg: its plugin.

Nothing outside this package imports MLflow, and nothing in it is imported by the rest.
"""
