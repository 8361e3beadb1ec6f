"""Tells others of each move of a reference: a command, a cluster, a webhook.

===========  =====================================================================
`events`     what happened after a commit, each with an id that never changes
`moves`      the moves of a reference: which version it named, and which one then
`memory`     what was delivered last, in a file that survives a crash
`delivery`   one move, handed to all targets in turn
`returning`  the rollback after a failed delivery
`watcher`    looks, delivers, tries again, and waits
`targets/`   who is told: a new target is a file there, and a row in its table
===========  =====================================================================

A program that is restarted after a crash goes on where it was: each move is delivered at least
once, in order, and only the one that was under way is repeated.
"""
