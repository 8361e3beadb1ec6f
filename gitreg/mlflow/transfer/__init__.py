"""Transfers between a registry of gitreg and one of MLflow's.

Both directions can be interrupted and run again: each finds what is already on the other side.

===========  ===================================================================
`importing`  ``gitreg import mlflow``: models, versions, then stages and aliases
`exporting`  ``gitreg export mlflow``: the way back
`following`  what changed in MLflow since the last import
`foreign`    reads an MLflow registry and its artifacts
`runs`       the tracking runs that stand for exported versions
===========  ===================================================================
"""
