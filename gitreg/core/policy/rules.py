"""The rules of a registry as data: stages, aliases, freezes, people; and those of one model.

>>> policy = Policy({"live": StageRule(holds=1)}, roles={"leads": ("ada@example.com",)})
>>> policy.members(("leads", "bob@example.com"))
('ada@example.com', 'bob@example.com')
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from gitreg.core.model import layout
from gitreg.core.model.names import ARCHIVE, NO_STAGE, fold
from gitreg.core.policy.gates import Gate
from gitreg.core.policy.measures import format_moment
from gitreg.core.policy.renders import Render
from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import NotFound

_ALWAYS = (layout.POLICY, f"{layout.ROOT}/.dvc", ".dvc", f"{layout.ROOT}/.dvcignore", ".dvcignore")
"""What every `Guard` covers: the policy, and DVC's configuration, which names the remote."""

GUARDED = (
    *("CODEOWNERS", "docs/CODEOWNERS", ".github", ".gitlab", ".gitlab-ci.yml", ".gitea"),
    *(".forgejo", ".circleci", ".woodpecker", ".woodpecker.y*ml", "bitbucket-pipelines.yml"),
    *("azure-pipelines.yml", ".azure-pipelines", ".buildkite", ".drone.yml", "Jenkinsfile"),
)
"""What it covers besides, unless the policy says what: whom a host asks, and what runs the check.
The name of a folder stands for all that is in it."""


@dataclass(frozen=True)
class Approvals:
    """The approvals that a move into a stage needs.

    Attributes:
        count: the least number of people; who moves or registered the version does not count.
        by: names of roles, and principals.
    """

    count: int
    by: tuple[str, ...]


@dataclass(frozen=True)
class StageRule:
    """How a stage behaves, and what a version needs to enter it.

    Attributes:
        holds: the most versions of one model that it holds; ``None`` for any number.
        replaced: the stage to which a replaced version moves; ``None`` for no stage.
        crowded: whether ``--keep-existing`` may let it hold more, with a warning.
        sources: the stages that a version may come from, `names.NO_STAGE` for none;
            ``None`` for any.
        aliases: aliases that move to the version that enters, in the same commit.
        gates: what a version has to pass, all of them.
        approvals: the approvals that it needs; ``None`` for none.
        signed: whose key has to sign a commit that moves this stage; ``None`` needs no signature.
        override: who may override refusals; ``None`` for nobody.
        owners: who reviews a change of it on a Git host; see `gitreg.review.codeowners`.
        renders: the files that say what it holds, written with every move.
    """

    holds: int | None = None
    replaced: str | None = None
    crowded: bool = True
    sources: tuple[str, ...] | None = None
    aliases: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    approvals: Approvals | None = None
    signed: tuple[str, ...] | None = None
    override: tuple[str, ...] | None = None
    owners: tuple[str, ...] = ()
    renders: tuple[Render, ...] = ()


@dataclass(frozen=True)
class Freeze:
    """A time during which stages change by rollbacks alone.

    Attributes:
        start: the first second of it, since the epoch.
        end: the first second after it.
        stages: which; ``None`` for all.
        reason: why, in one line.
    """

    start: int
    end: int
    stages: tuple[str, ...] | None = None
    reason: str | None = None

    @property
    def text(self) -> str:
        """One line for people."""
        stages = "all stages" if self.stages is None else ", ".join(self.stages)
        why = f": {self.reason}" if self.reason else ""
        return f"{stages} from {format_moment(self.start)} until {format_moment(self.end)}{why}"

    def covers(self, stage: str, moment: int) -> bool:
        """Tell whether a stage may not change at a moment."""
        return self.start <= moment < self.end and (self.stages is None or stage in self.stages)


@dataclass(frozen=True)
class StagePart:
    """A stage's rule for some models: the keys that the policy gives for them."""

    rule: StageRule
    given: tuple[str, ...]

    def over(self, general: StageRule) -> StageRule:
        """Return the general rule with the given keys replaced."""
        return replace(general, **{name: getattr(self.rule, name) for name in self.given})


@dataclass(frozen=True)
class ModelRules:
    """The rules that differ for a name or glob of models; ``None`` keeps the general rule."""

    stages: Mapping[str, StagePart] = field(default_factory=dict)
    protected: Mapping[str, bool] | None = None
    freeze: tuple[Freeze, ...] | None = None


@dataclass(frozen=True)
class Guard:
    """What a commit needs to change the policy and the files that decide whether it holds.

    Attributes:
        signed: whose key has to sign the commit, roles and principals; ``None`` for nobody's.
        approvals: the approvals that the change needs; ``None`` for none.
        files: globs and folders that are covered besides the policy and DVC's configuration.

    >>> Guard(signed=("admins",)).covers(".github/workflows/check.yml")
    True
    """

    signed: tuple[str, ...] | None = None
    approvals: Approvals | None = None
    files: tuple[str, ...] = GUARDED

    def covers(self, path: str) -> bool:
        """Tell whether a path is covered; on some file systems case tells no two paths apart."""
        folded = fold(path)
        return any(
            fnmatchcase(folded, fold(pattern)) or fnmatchcase(folded, f"{fold(pattern)}/*")
            for pattern in (*_ALWAYS, *self.files)
        )


@dataclass(frozen=True)
class Policy:
    """The rules of a registry at a commit.

    Attributes:
        stages: the stages there are.
        protected: aliases, and whether one moves only together with a stage that names it.
        freeze: when stages do not change.
        models: the rules that differ for some models, by name or glob, in the file's order.
        signers: principals and their public keys, as in a file of allowed signers.
        roles: groups of principals.
        revoked: fingerprints of keys that no longer count.
        lenient: whether gates whose facts are unknown only warn, unless they say otherwise; the
            gates of ``stages`` and ``models`` say so already.
        guard: who may change the policy itself; ``None`` for everybody.
    """

    stages: Mapping[str, StageRule] = field(default_factory=dict)
    protected: Mapping[str, bool] = field(default_factory=dict)
    freeze: tuple[Freeze, ...] = ()
    models: Mapping[str, ModelRules] = field(default_factory=dict)
    signers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    revoked: tuple[str, ...] = ()
    lenient: bool = False
    guard: Guard | None = None

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

    def of(self, model: str) -> Policy:
        """Return the rules of one model: globs apply in the file's order, then its own name.

        Each key that is given for it replaces that of the general rule.
        """
        if not self.models:
            return self
        matching = [name for name in self.models if name != model and fnmatchcase(model, name)]
        effective = replace(self, models={})
        for name in [*matching, *([model] if model in self.models else [])]:
            effective = _with(effective, self.models[name])
        return effective

    def naming_none_of(self, models: Sequence[str]) -> tuple[str, ...]:
        """Return the names and globs of the policy that match none of these models."""
        return tuple(
            pattern
            for pattern in self.models
            if pattern not in models and not any(fnmatchcase(name, pattern) for name in models)
        )

    def members(self, by: Iterable[str]) -> tuple[str, ...]:
        """Return the principals that a list of roles and principals stands for, each once."""
        return tuple(dict.fromkeys(who for name in by for who in self.roles.get(name, (name,))))

    def is_protected(self, alias: str) -> bool:
        """Tell whether an alias moves only together with a stage."""
        return self.protected.get(alias, False)

    def stages_naming(self, alias: str) -> tuple[str, ...]:
        """Return the stages with which an alias moves."""
        return tuple(name for name, rule in self.stages.items() if alias in rule.aliases)


def _with(policy: Policy, different: ModelRules) -> Policy:
    stages = dict(policy.stages)
    for name, part in different.stages.items():
        stages[name] = part.over(stages.get(name, StageRule()))
    return replace(
        policy,
        stages=stages,
        protected={**policy.protected, **(different.protected or {})},
        freeze=policy.freeze if different.freeze is None else different.freeze,
    )


DEFAULT = Policy(
    {
        "staging": StageRule(),
        "production": StageRule(holds=1, replaced=ARCHIVE),
        ARCHIVE: StageRule(),
    }
)
"""What ``gitreg init`` writes: MLflow's stages, production holding one version."""
