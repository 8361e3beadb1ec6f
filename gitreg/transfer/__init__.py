"""Transfers between this registry and others.

What MLflow's registry needs is in `gitreg.mlflow.transfer`, since it needs MLflow.

========  ====================================================
`report`  the result of a transfer
`gto`     ``gitreg import gto``: what a project has in GTO tags
========  ====================================================
"""
