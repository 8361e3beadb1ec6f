"""Measure gitreg, MLflow, GTO and DVC side by side, on the same work, in one run.

``python -m benchmarks`` prints medians and ratios and writes them as JSON. Milliseconds
belong to a machine and an hour; the ratio of two things measured in turns on the same
machine travels. So every figure here that matters is such a ratio.
"""
