"""Crashes at every step: see `tests.crash.shim`, `tests.crash.server` and `tests.crash.trial`.

``python -m tests.crash`` tries all points, ``tests/test_crash.py`` a sample of them.
"""
