"""The MLflow plugin: unmodified MLflow with a gitreg registry as its model registry.

Only this package imports MLflow. The rest of gitreg imports this package only for a command that
needs it.
"""
