"""Questions that only the past can answer: who stood where and when, and since when it is wrong.

Everything here reads a `gitreg.registry.Registry` and writes nothing into it. What can be computed
from values alone is in `gitreg.core`.

================  =============================================================
`differences`     the commits, files of data and packages between two versions
`bisect`          which version was the first bad one
`bisect_command`  tests a version with the user's own command
`bisect_memory`   what an interrupted search has learned
================  =============================================================
"""
