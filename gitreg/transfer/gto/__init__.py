"""Import of a project that used GTO: its tags say what was registered, and which stage it had.

===========  ======================================================================
`importing`  ``gitreg import gto``: version by version, then move by move
`plan`       which numbers the versions get, and which moves the tags tell (pure)
`records`    reads GTO's tags from a repository
`past`       the artifact, its metrics and its origin at the commit of a tag
===========  ======================================================================
"""
