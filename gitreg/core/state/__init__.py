"""The state of a registry at a commit, and how it changes over commits.

============ ============================================================================
`state`      the registry at one commit
`change`     what an operation would do, as a value, and the grammar of its message
`history`    commits as events, and the stack of a pointer that rollbacks go down
`tags`       the tags that events imply, in GTO's grammar
`decision`   the verdicts of a policy on moves
`conflicts`  what changed since an operation was decided on
`taken_back` commits that take an operation back without saying so
`compare`    what differs between two versions
`search`     searches by a scan of all versions, and the values that they compare
`timestamps` when models and versions were created and last changed
============ ============================================================================
"""
