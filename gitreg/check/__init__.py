"""Check: judges every commit of a range against each of its parents, under its base's policy.

============== ==============================================================================
`ranges`       ranges of commits, and what later commits need to know of earlier ones
`clone_check`  `Registry.check`: the range that a person names, remote bytes, the clone's tags
`receive`      a push, before a server takes it: the pre-receive hook
`claims`       what a client says of references, held against the repository
`pushed_tags`  the tags of a push, and those that wait for a model
`arrivals`     when commits arrived at a server
`commits`      commit objects, dates and trees
`revisions`    what a person may write as a range
`judge`        the checks of one commit and of the state that it leads to
`step`         a commit beside one of its parents
`paths`        names, types of files, files outside the registry
`versions`     immutable, numbered, complete versions
`digests`      one SHA-256 means one MD5
`limits`       how much a check reads, and a push may bring
`lives`        models that are deleted, renamed and created again
`pointers`     stages, aliases and documents
`dvc_yaml`     the artifacts in ``dvc.yaml``
`guarded`      changes of the policy itself, and of what decides whether it holds
`moves`        moves between stages, by the policy
`taken_back`   pointers that a commit takes back without saying so
`facts`        the answers to the rules' questions, once for all
`clone_facts`  those of a move that is about to be made
`commit_facts` those of a move that a commit made
`past`         the history before a range
`line`         what the judged branch did before a commit: moves of its stages, lives of its names
`origins`      who made a move that a merge brings
`tags`         the tags that history implies
`finding`      a finding with commit, file and line
`resources`    the shell programs of hooks, which `gitreg.hooks` installs
============== ==============================================================================
"""

from __future__ import annotations

from gitreg.check.finding import CheckFinding
from gitreg.check.ranges import CheckOptions, CheckReport, check_range

__all__ = ["CheckFinding", "CheckOptions", "CheckReport", "check_range"]
