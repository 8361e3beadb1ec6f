"""Check: judges every commit of a range against each of its parents, under its base's policy.

==============  ==============================================================
`ranges`        judges ranges of commits: the door between Git and the checks
`revisions`     which commits a check is about
`step`          `Step`: a commit beside one of its parents
`judge`         judges a commit with every check
`versions`      checks of versions: immutable, numbered, complete
`moves`         checks of moves: the policy's verdicts
`pointers`      checks of pointers
`lives`         checks of models that are deleted, renamed or created again
`paths`         checks of paths
`tags`          checks of tags
`dvc_yaml`      checks of ``dvc.yaml``
`commit_facts`  what rules ask about a commit: Git, signatures, approvals, DVC
`clone_facts`   the same questions, answered by a clone
`past`          the history before a range
`finding`       `CheckFinding`: what a check found, and where
==============  ==============================================================
"""

from __future__ import annotations

from gitreg.check.finding import CheckFinding
from gitreg.check.ranges import CheckOptions, CheckReport, check_range

__all__ = ["CheckFinding", "CheckOptions", "CheckReport", "check_range"]
