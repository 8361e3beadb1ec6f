"""Crashes at every step: see `tests.support.crash.shim`, `tests.support.crash.server` and `tests.support.crash.trial`.

``python -m tests.support.crash`` tries all points, ``tests/test_crash.py`` a sample of them.
"""
