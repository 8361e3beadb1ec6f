"""The rules of a registry: its stages, how many versions each holds, where the replaced go.

>>> DEFAULT.stage("production").replaced
'archived'
>>> print(write_policy(DEFAULT).decode().splitlines()[1])
stages:
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from gitreg import yamldoc
from gitreg.errors import InvalidDocument, InvalidRequest, NotFound
from gitreg.fields import Fields
from gitreg.names import ARCHIVE, NO_STAGE, check_stage_name
from gitreg.suggest import did_you_mean
from gitreg.yamldoc import Value

FORMAT = 1


@dataclass(frozen=True)
class StageRule:
    """How a stage behaves.

    Attributes:
        holds: the most versions of one model that it holds; ``None`` for any number.
        replaced: the stage where a version goes that has to make room; ``None`` for no stage.
    """

    holds: int | None = None
    replaced: str | None = None


@dataclass(frozen=True)
class Policy:
    """The rules that a registry is under at a commit."""

    stages: Mapping[str, StageRule] = field(default_factory=dict)

    def stage(self, name: str) -> StageRule:
        """Return the rule of a stage.

        Raises:
            NotFound: the policy has no such stage; the hint names the near miss.
        """
        if name not in self.stages:
            known = ", ".join(self.stages)
            raise NotFound(
                f"no stage {name!r}: this registry has {known}",
                hint=did_you_mean(name, [*self.stages, NO_STAGE]),
            )
        return self.stages[name]


DEFAULT = Policy(
    {
        "staging": StageRule(),
        "production": StageRule(holds=1, replaced=ARCHIVE),
        ARCHIVE: StageRule(),
    }
)
"""What ``gitreg init`` writes: MLflow's stages, production holding one version."""


def write_policy(policy: Policy) -> bytes:
    """Return ``policy.yaml``."""
    stages: dict[str, Value] = {}
    for name, rule in policy.stages.items():
        document: dict[str, Value] = {"holds": "any" if rule.holds is None else rule.holds}
        if rule.holds is not None or rule.replaced is not None:
            document["replaced"] = rule.replaced or NO_STAGE
        stages[name] = document
    return yamldoc.dump({"format": FORMAT, "stages": stages})


@lru_cache(maxsize=64)
def read_policy(data: bytes | None, where: str) -> Policy:
    """Return the policy of a document; a registry without the file is under `DEFAULT`.

    Parsed once a content: every operation asks for it.

    Raises:
        InvalidDocument: an unknown key or format, a stage that is not defined, a wrong type.
    """
    if data is None:
        return DEFAULT
    fields = Fields(yamldoc.parse(data, where), where).only(("format", "stages"))
    if fields.integer("format") != FORMAT:
        fields.fail("format", f"expected {FORMAT}")
    stages = fields.fields("stages")
    rules = {name: _read_rule(stages, name) for name in fields.mapping("stages")}
    if not rules:
        fields.fail("stages", "a registry needs at least one stage")
    for name, rule in rules.items():
        _check_replaced(stages, name, rule, rules)
    return Policy(rules)


def _read_rule(stages: Fields, name: str) -> StageRule:
    try:
        lowered = check_stage_name(name)
    except InvalidRequest as error:
        stages.fail(name, str(error))
    if lowered != name:
        stages.fail(name, "a stage's name is written in lower case")
    fields = stages.fields(name).only(("holds", "replaced"))
    return StageRule(_read_holds(fields), _read_replaced(fields))


def _check_replaced(
    stages: Fields, name: str, rule: StageRule, rules: Mapping[str, StageRule]
) -> None:
    where = f"{name}.replaced"
    if rule.replaced is None:
        return
    if rule.replaced not in rules:
        stages.fail(where, f"{rule.replaced!a} is not a stage of this policy")
    if rule.replaced == name:
        stages.fail(where, "a stage cannot replace into itself")
    if rules[rule.replaced].holds is not None:
        stages.fail(where, f"{rule.replaced!r} would have to hold any number")


def _read_holds(fields: Fields) -> int | None:
    if not fields.has("holds"):
        return None
    try:
        return fields.integer("holds", minimum=1)
    except InvalidDocument:
        if fields.is_text("holds", "any"):
            return None
        fields.fail("holds", "expected a number of versions, at least 1, or 'any'")


def _read_replaced(fields: Fields) -> str | None:
    name = fields.optional_text("replaced")
    return None if name == NO_STAGE else name
