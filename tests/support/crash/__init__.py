"""Crashes at every step: see `shim`, `server` and `trial`.

``python -m tests.support.crash`` tries all points, and
``tests/stories/test_crash.py`` a sample of them.
"""
