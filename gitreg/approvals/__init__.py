"""Signed approvals: giving them, storing them and verifying them.

An approval is a file beside a version: an SSH signature over the move that it approves. The policy
lists the keys that count.

============  ===================================================================
`giving`      gives and withdraws the user's own approval
`stored`      the approvals in the tree: which of them verify, and whose they are
`given`       approvals as events: principal, key, time, committer
`changes`     those of a change of the policy itself
`signatures`  SSH signatures: read, verified, and found on commits
============  ===================================================================
"""
