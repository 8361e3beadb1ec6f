"""Reproduction: a version made again from what its manifest records, and compared with it.

=============  ===================================================================
`plan`         what will be run, from which code, data and environment; what is missing
`worktree`     the recorded commit, checked out in a folder of its own, with the data
`environment`  the frozen requirements in a virtual environment of its own
`verdict`      identical, equivalent, different or inconclusive; pure
`running`      does all of it, one step after the other
`statement`    what came out, for the record: signed, and demanded by a gate
=============  ===================================================================

It runs recorded code, and so never as a part of a read.
"""

from gitreg.reproduce.plan import Plan, plan
from gitreg.reproduce.running import Reproduction, reproduce
from gitreg.reproduce.statement import statement_on
from gitreg.reproduce.verdict import Verdict

__all__ = ["Plan", "Reproduction", "Verdict", "plan", "reproduce", "statement_on"]
