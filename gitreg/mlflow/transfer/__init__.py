"""Importing from and exporting to MLflow's registries."""
