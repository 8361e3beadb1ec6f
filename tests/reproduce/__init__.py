"""Versions made again from what their manifests record."""
