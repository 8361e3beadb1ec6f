"""The rules of a registry: its stages, gates, approvals and freezes.

============= ===============================================================================
`verdict`     what a rule gets and returns: `Case`, `Facts`, `Verdict`
`measures`    sizes, durations and moments as a policy spells them
`gates`       the gates: small frozen objects, each judges a case in one line
`measured`    which number of a version a gate is about, and which may be compared
`records`     gates on what people added later: reproductions, the model's card
`rules`       the policy as data, and the part that applies to one model
`transitions` the rules of a move itself: its source, how many versions, when, who signs
`renders`     the files that say what a stage holds
`guard`       who may change the policy itself
`words`       the rules of a stage for people
`document`    ``policy.yaml`` read
`writing`     ``policy.yaml`` written
============= ===============================================================================

>>> DEFAULT.stage("production").replaced
'archived'
>>> print(write_policy(DEFAULT).decode().splitlines()[1])
stages:
"""

from gitreg.core.policy.document import read_policy
from gitreg.core.policy.rules import (
    DEFAULT,
    Approvals,
    Freeze,
    Guard,
    ModelRules,
    Policy,
    StagePart,
    StageRule,
)
from gitreg.core.policy.verdict import Case, Facts, Judgement, Rule, Verdict
from gitreg.core.policy.writing import policy_document, write_policy

__all__ = [
    "DEFAULT",
    "Approvals",
    "Case",
    "Facts",
    "Freeze",
    "Guard",
    "Judgement",
    "ModelRules",
    "Policy",
    "Rule",
    "StagePart",
    "StageRule",
    "Verdict",
    "policy_document",
    "read_policy",
    "write_policy",
]
