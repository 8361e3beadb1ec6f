"""Publishing: how an operation becomes a commit that everybody sees.

`Publisher` runs one operation and pushes its commit; when somebody else publishes first, it runs
the operation again on the new tip. `Synchroniser` does what ``gitreg fetch`` and ``gitreg push`` do
for a clone that was offline. Both use `Clone`, which knows the branch here and the branch on the
remote.

===============  =========================================================================
`publisher`      `Publisher`: one operation, from the lock to the push
`synchronise`    `Synchroniser`: fetch, and push of unpublished operations
`clone`          `Clone`: what is checked out beside the remote branch, and how it follows
`branch_status`  `BranchStatus`: the branch here beside the one on the remote
`detached`       which branch a write from a detached HEAD goes to
`retry`          how often and how long a publication is retried
`outcome`        `Outcome` and the other results that callers get
`status`         where a clone stands, by what it knows
`repeated`       whether an operation that is run again under its id still holds
`unshared`       what others still see after a change that is not published
`sameness`       whether two changes do the same
`tags`           ``gitreg tags sync``: the tags that history implies
`init`           ``gitreg init``: a registry in a folder
===============  =========================================================================
"""
