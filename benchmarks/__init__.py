"""Measure gitreg, MLflow, GTO and DVC side by side, on the same work, in one run.

``python -m benchmarks`` prints medians and ratios and writes them as JSON. Milliseconds depend on
the machine and its load. The ratio of two programs that take turns on the same machine does not,
so the goals are such ratios.
"""
