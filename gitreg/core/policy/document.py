"""``policy.yaml``, read strictly.

Every error names file and field, and for a mistyped key the near miss: a misspelt gate that nobody
notices would let everything pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache

from gitreg.core.documents import yaml
from gitreg.core.documents.fields import Fields
from gitreg.core.model.card import KEYS
from gitreg.core.model.keys import check_fingerprint, check_principal, parse_key
from gitreg.core.model.names import (
    ARCHIVE,
    NO_STAGE,
    check_alias,
    check_evaluation_name,
    check_stage_name,
)
from gitreg.core.model.statement import VERDICTS
from gitreg.core.policy import gates, rules
from gitreg.core.policy.measures import (
    MOST,
    parse_duration,
    parse_moment,
    parse_size,
)
from gitreg.core.policy.records import ANY, OTHER, CardSays, Reproduced
from gitreg.core.policy.renders import check_renders, read_renders
from gitreg.core.text.invisible import has_invisible
from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import InvalidDocument, InvalidRequest

FORMAT = 1

FAIL, WARN = "fail", "warn"
"""What ``unknown`` may say: whether a gate fails or warns where its facts are not known."""

_KEYS = (
    *("format", "unknown", "stages", "aliases", "freeze", "models"),
    *("policy", "signers", "roles", "revoked"),
)
STAGE_KEYS = {
    "holds": "holds",
    "replaced": "replaced",
    "crowded": "crowded",
    "from": "sources",
    "aliases": "aliases",
    "gates": "gates",
    "approvals": "approvals",
    "signed": "signed",
    "override": "override",
    "owners": "owners",
    "renders": "renders",
}
"""The keys of a stage in the file, each with its attribute of `StageRule`."""

_EXTENSION = re.compile(r"\.?([a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*)", re.IGNORECASE | re.ASCII)
# As CODEOWNERS of GitHub and GitLab read them; on GitLab a group may have subgroups.
_OWNER = re.compile(r"@@?[\w.-]+(?:/[\w.-]+)*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
# What `git check-ref-format --branch` refuses.
_NO_BRANCH = re.compile(
    r"[ ~^:?*\[\\]|\.\.|//|@\{|/\.|\.lock(?:/|$)|^[-/.]|[/.]$|^@$|^HEAD$|[\x00-\x1f\x7f]"
)
_MOST_APPROVALS = 100
_FIELD = re.compile(r"[^\s:]+(?=: )")


@lru_cache(maxsize=64)
def read_policy(data: bytes | None, where: str) -> rules.Policy:
    """Return the policy of a document; `DEFAULT` where the registry has no such file.

    Cached by content, because every operation needs it.

    Raises:
        InvalidDocument: there is an unknown key or format, an undefined stage or a wrong type.
    """
    if data is None:
        return rules.DEFAULT
    document = yaml.parse(data, where)
    try:
        return _policy(Fields(document, where).only(_KEYS))
    except InvalidDocument as error:
        field = _FIELD.match(str(error), len(where) + 2)
        line = None if field is None else yaml.line_of_field(data, field[0])
        if line is None:
            raise
        found = f"{where}: line {line}: {str(error).removeprefix(f'{where}: ')}"
        raise InvalidDocument(found, hint=error.hint) from None


def _policy(fields: Fields) -> rules.Policy:
    if fields.integer("format") != FORMAT:
        fields.fail("format", f"expected {FORMAT}")
    people = _People.read(fields)
    stages = fields.fields("stages")
    names = [_stage_name(stages, name) for name in fields.mapping("stages")]
    if not names:
        fields.fail("stages", "a registry needs at least one stage")
    lenient = _is_lenient(fields, default=False)
    reader = _Reader(tuple(names), people, lenient=lenient)
    general = {name: reader.stage(name, stages.fields_of(name)).rule for name in names}
    _check_replaced(stages, general)
    check_renders(stages, {name: rule.renders for name, rule in general.items()})
    return rules.Policy(
        general,
        reader.protected(fields) or {},
        reader.freeze(fields) or (),
        _read_models(fields, reader, general),
        people.signers,
        people.roles,
        people.revoked,
        lenient,
        _read_guard(fields, reader) if fields.lists("policy") else None,
    )


def _is_lenient(fields: Fields, *, default: bool) -> bool:
    """Return whether ``unknown`` says that a gate whose facts are unknown only warns."""
    if not fields.lists("unknown"):
        return default
    word = fields.text("unknown")
    fields.one_of("unknown", (FAIL, WARN), f"{FAIL} or {WARN}", word)
    return word == WARN


def _stage_name(stages: Fields, name: str) -> str:
    try:
        lowered = check_stage_name(name)
    except InvalidRequest as error:
        stages.fail(name, str(error))
    if lowered != name:
        stages.fail(name, "a stage's name is written in lower case")
    return name


def _check_replaced(stages: Fields, general: Mapping[str, rules.StageRule]) -> None:
    for name, rule in general.items():
        where = f"{name}.replaced"
        if rule.replaced is None:
            continue
        if rule.replaced not in general:
            stages.fail(where, f"{rule.replaced!a} is not a stage of this policy")
        if rule.replaced == name:
            stages.fail(where, "a stage cannot replace into itself")
        if general[rule.replaced].holds is not None:
            stages.fail(where, f"{rule.replaced!r} would have to hold any number")


def _read_models(
    fields: Fields, reader: _Reader, general: Mapping[str, rules.StageRule]
) -> dict[str, rules.ModelRules]:
    found = {}
    models = fields.fields("models")
    for pattern in fields.mapping("models"):
        if not pattern or has_invisible(pattern):
            models.fail(ascii(pattern), "expected the name of a model, or a glob such as churn-*")
        inner = models.fields_of(pattern).only(("stages", "aliases", "freeze"))
        stages = inner.fields("stages")
        parts = {}
        for name in inner.mapping("stages"):
            stages.one_of(name, general, "a stage of this policy", name)
            parts[name] = reader.stage(name, stages.fields_of(name))
        merged = {
            name: parts[name].over(rule) if name in parts else rule
            for name, rule in general.items()
        }
        _check_replaced(stages, merged)
        check_renders(stages, {name: rule.renders for name, rule in merged.items()})
        found[pattern] = rules.ModelRules(parts, reader.protected(inner), reader.freeze(inner))
    return found


def _read_guard(fields: Fields, reader: _Reader) -> rules.Guard:
    inner = fields.fields("policy").only(("signed", "approvals", "files"))
    guard = rules.Guard(reader.by(inner, "signed"), reader.approvals(inner))
    if guard.signed is None and guard.approvals is None:
        fields.fail("policy", "expected signed, approvals or both")
    if not inner.lists("files"):
        return guard
    files = inner.text_list("files")
    for path in files:
        if path != path.strip().strip("/") or has_invisible(path) or not path:
            inner.fail("files", f"{path[:100]!a} is no path or glob such as .github")
    return replace(guard, files=files)


class _People:
    """Signers, roles and revoked keys: the people that ``by:`` may name."""

    def __init__(
        self,
        signers: Mapping[str, tuple[str, ...]],
        roles: Mapping[str, tuple[str, ...]],
        revoked: tuple[str, ...],
    ) -> None:
        self.signers = signers
        self.roles = roles
        self.revoked = revoked

    @classmethod
    def read(cls, fields: Fields) -> _People:
        signers, roles = {}, {}
        inner = fields.fields("signers")
        for principal in fields.mapping("signers"):
            _check(inner, principal[:100], check_principal, principal)
            if "@" not in principal:
                # Authors of versions and commits are known by e-mail. An approval under another
                # name could not be recognised as one's own.
                inner.fail(principal, "expected an e-mail")
            keys = inner.text_list(principal)
            if not keys:
                inner.fail(principal, "expected a list of public keys, at least one")
            for key in keys:
                _check(inner, principal, parse_key, key)
            signers[principal] = keys
        inner = fields.fields("roles")
        for role in fields.mapping("roles"):
            if not role or "@" in role or has_invisible(role):
                inner.fail(ascii(role[:100]), "a role's name has no @: that is a principal's")
            members = inner.text_list(role)
            for member in members:
                if member not in signers and not _is_email(member):
                    inner.fail(
                        role,
                        f"{member[:100]!a} is neither a signer nor an e-mail",
                        did_you_mean(member, signers),
                    )
            roles[role] = members
        revoked = fields.text_list("revoked")
        for fingerprint in revoked:
            _check(fields, "revoked", check_fingerprint, fingerprint)
        return cls(signers, roles, tuple(map(check_fingerprint, revoked)))

    def by(self, fields: Fields) -> tuple[str, ...]:
        """Return the list ``by`` of roles and principals; at least one."""
        names = fields.text_list("by")
        if not names:
            fields.fail("by", "expected a list of roles and principals, at least one")
        for name in names:
            if name in self.roles or name in self.signers:
                continue
            if not _is_email(name):
                known = [*self.roles, *self.signers]
                fields.fail(
                    "by",
                    f"{name[:100]!a} is neither a role, a signer nor an e-mail",
                    did_you_mean(name, known),
                )
        return names


def _check(fields: Fields, name: str, rule: Callable[[str], object], text: str) -> None:
    """Refuse the text of a field that breaks a rule, with the rule's message."""
    try:
        rule(text)
    except InvalidRequest as error:
        fields.fail(name, str(error), error.hint)


def _is_email(text: str) -> bool:
    try:
        return "@" in check_principal(text)
    except InvalidRequest:
        return False


class _Reader:
    """Reads the parts of a policy that apply to all models or to some."""

    def __init__(self, stages: tuple[str, ...], people: _People, *, lenient: bool) -> None:
        self._stages = stages
        self._people = people
        self._lenient = lenient
        self._kinds: dict[str, tuple[tuple[str, ...], Callable[[Fields], gates.Gate]]] = {
            "metric": (
                (
                    *("at_least", "at_most", "better_than", "by", "better_by", "lower_is_better"),
                    *("if_empty", "evaluation", "slice"),
                ),
                self._metric,
            ),
            "code": ((), lambda f: _word(f, "code", "clean", gates.CodeClean())),
            "code_on": ((), lambda f: gates.CodeOn(_branch(f, "code_on"))),
            "data": ((), lambda f: _word(f, "data", "hashed", gates.DataHashed())),
            "environment": (
                (),
                lambda f: _word(f, "environment", "present", gates.EnvironmentPresent()),
            ),
            "artifact": ((), lambda f: _word(f, "artifact", "on_remote", gates.ArtifactOnRemote())),
            "formats": ((), _formats),
            "size": ((), _size),
            "soak": ((), self._soak),
            "annotation": ((), lambda f: gates.Annotated(_name(f, "annotation"))),
            "reproduced": ((), self._reproduced),
            "card": ((), _card),
        }

    def stage(self, name: str, fields: Fields) -> rules.StagePart:
        fields.only(STAGE_KEYS)
        if name == ARCHIVE:
            _refuse_gated_archive(fields)
        rule = rules.StageRule(
            _read_holds(fields),
            _read_replaced(fields),
            fields.boolean("crowded") if fields.has("crowded") else True,
            self._sources(fields),
            self._aliases(fields),
            self._gates(fields),
            self.approvals(fields),
            self.by(fields, "signed"),
            self.by(fields, "override"),
            _owners(fields),
            read_renders(fields, name),
        )
        return rules.StagePart(
            rule, tuple(what for key, what in STAGE_KEYS.items() if fields.lists(key))
        )

    def protected(self, fields: Fields) -> dict[str, bool] | None:
        if not fields.lists("aliases"):
            return None
        inner = fields.fields("aliases")
        found = {}
        for alias in fields.mapping("aliases"):
            self._check_alias(inner, alias, alias)
            found[alias] = inner.fields_of(alias).only(("protected",)).boolean("protected")
        return found

    def _check_alias(self, fields: Fields, field: str, alias: str) -> None:
        _check(fields, field, lambda text: check_alias(text, self._stages), alias)

    def freeze(self, fields: Fields) -> tuple[rules.Freeze, ...] | None:
        if not fields.lists("freeze"):
            return None
        windows = []
        for entry in fields.entries("freeze"):
            entry.only(("from", "until", "stages", "reason"))
            start, end = (_moment(entry, key) for key in ("from", "until"))
            if start >= end:
                entry.fail("until", "it is not after from")
            stages = None
            if entry.has("stages"):
                stages = entry.text_list("stages")
                if not stages:
                    entry.fail("stages", "name at least one, or leave it out for all")
                for name in stages:
                    entry.one_of("stages", self._stages, "a stage of this policy", name)
            reason = _name(entry, "reason") if entry.has("reason") else None
            windows.append(rules.Freeze(start, end, stages, reason))
        return tuple(windows)

    def _sources(self, fields: Fields) -> tuple[str, ...] | None:
        if not fields.has("from") or fields.is_text("from", "any"):
            return None
        sources = fields.text_list("from")
        if not sources:
            fields.fail("from", "name at least one stage, or leave it out for any")
        for name in sources:
            fields.one_of("from", (*self._stages, NO_STAGE), "a stage of this policy", name)
        return sources

    def _aliases(self, fields: Fields) -> tuple[str, ...]:
        aliases = fields.text_list("aliases")
        for alias in aliases:
            self._check_alias(fields, "aliases", alias)
        return aliases

    def approvals(self, fields: Fields) -> rules.Approvals | None:
        """Return the approvals that are needed, ``None`` for none."""
        if not fields.has("approvals"):
            return None
        inner = fields.fields("approvals").only(("count", "by"))
        count = inner.integer("count", minimum=1)
        if count > _MOST_APPROVALS:
            inner.fail("count", f"{_MOST_APPROVALS} is the most")
        return rules.Approvals(count, self._people.by(inner))

    def by(self, fields: Fields, key: str) -> tuple[str, ...] | None:
        """Return the roles and principals under a key, ``None`` without it."""
        if not fields.has(key):
            return None
        return self._people.by(fields.fields(key).only(("by",)))

    # Gates

    def _gates(self, fields: Fields) -> tuple[gates.Gate, ...]:
        return tuple(self._gate(entry) for entry in fields.entries("gates"))

    def _gate(self, entry: Fields) -> gates.Gate:
        kinds = [name for name in self._kinds if entry.lists(name)]
        if len(kinds) > 1:
            entry.fail(kinds[1], f"each gate needs its own entry, apart from {kinds[0]}")
        if not kinds:
            every = [*self._kinds, *(key for keys, _ in self._kinds.values() for key in keys)]
            entry.only([*every, "unknown"])
            entry.refuse(f"expected one of {', '.join(self._kinds)}")
        more, read = self._kinds[kinds[0]]
        entry.only((kinds[0], *more, "unknown"))
        gate = read(entry)
        lenient = _is_lenient(entry, default=self._lenient)
        if isinstance(gate, gates.CAN_BE_UNKNOWN):
            return gates.Lenient(gate) if lenient else gate
        if entry.lists("unknown"):
            entry.fail("unknown", f"the facts of {kinds[0]} are always known")
        return gate

    def _metric(self, entry: Fields) -> gates.Gate:
        metric = _name(entry, "metric")
        evaluation, part = _measured_in(entry)
        if not entry.lists("better_than"):
            for key in ("by", "better_by", "lower_is_better", "if_empty"):
                if entry.lists(key):
                    entry.fail(key, "goes with better_than")
            at_least, at_most = (
                entry.number(key) if entry.lists(key) else None for key in ("at_least", "at_most")
            )
            if at_least is not None and at_most is not None and at_least > at_most:
                entry.fail("at_most", "it is below at_least: nothing would pass")
            return gates.MetricLimit(metric, at_least, at_most, evaluation, part)
        for key in ("at_least", "at_most"):
            if entry.lists(key):
                entry.fail(key, "each gate needs its own entry, apart from better_than")
        than = entry.text("better_than")
        entry.one_of("better_than", self._stages, "a stage of this policy", than)
        by, confidence = _better_by(entry)
        lower = entry.boolean("lower_is_better") if entry.lists("lower_is_better") else False
        if_empty = entry.text("if_empty") if entry.lists("if_empty") else gates.LAST
        entry.one_of("if_empty", (gates.LAST, gates.PASS), "last or pass", if_empty)
        return gates.MetricBetter(metric, than, by, lower, if_empty, evaluation, part, confidence)

    def _reproduced(self, entry: Fields) -> gates.Gate:
        if not self._people.signers:
            entry.fail("reproduced", "goes with signers: a statement counts by its signature")
        inner = entry.fields_of("reproduced").only(("by", "verdict"))
        by = inner.text("by") if inner.lists("by") else OTHER
        inner.one_of("by", (OTHER, ANY), "other or any", by)
        verdict = inner.text("verdict") if inner.lists("verdict") else VERDICTS[1]
        inner.one_of("verdict", VERDICTS[:2], "identical or equivalent", verdict)
        return Reproduced(verdict, by)

    def _soak(self, entry: Fields) -> gates.Gate:
        inner = entry.fields("soak").only(("in", "at_least"))
        stage = inner.text("in")
        inner.one_of("in", self._stages, "a stage of this policy", stage)
        seconds = parse_duration(inner.text("at_least"))
        if seconds is None:
            inner.fail("at_least", "expected a duration such as 30m, 24h or 7d")
        return gates.Soak(stage, seconds)


def _measured_in(entry: Fields) -> tuple[str | None, str | None]:
    """Return the evaluation and the slice of a metric, ``None`` where they are not given."""
    if not entry.lists("evaluation"):
        if entry.lists("slice"):
            entry.fail("slice", "goes with evaluation")
        return None, None
    evaluation = entry.text("evaluation")
    _check(entry, "evaluation", check_evaluation_name, evaluation)
    return evaluation, _name(entry, "slice") if entry.lists("slice") else None


def _better_by(entry: Fields) -> tuple[int | float, float]:
    """Return the least difference, and how sure it has to be."""
    key, fields = "by", entry
    if entry.lists("better_by"):
        if entry.lists("by"):
            entry.fail("by", "it is the same as better_by: {margin: …}; give one of them")
        key, fields = "margin", entry.fields("better_by").only(("margin", "confidence"))
        if not fields.lists("margin") and not fields.lists("confidence"):
            entry.fail("better_by", "expected margin, confidence or both")
    margin = fields.number(key) if fields.lists(key) else 0
    if margin < 0:
        fields.fail(key, "expected 0 or more; lower_is_better turns the direction")
    if key == "by" or not fields.lists("confidence"):
        return margin, 0
    if not entry.lists("evaluation") or entry.lists("slice"):
        fields.fail("confidence", "goes with an evaluation, which has predictions; without a slice")
    confidence = fields.number("confidence")
    if not 0.5 <= confidence < 1:
        fields.fail("confidence", "expected a number from 0.5 to below 1, such as 0.95")
    return margin, confidence


def _refuse_gated_archive(fields: Fields) -> None:
    """Refuse conditions of archiving, which have no effect: a bad version must be able to leave."""
    for key in ("from", "gates", "approvals"):
        if fields.has(key):
            fields.fail(key, "it has no effect: every version may be archived")


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


def _owners(fields: Fields) -> tuple[str, ...]:
    owners = fields.text_list("owners")
    for owner in owners:
        if not _OWNER.fullmatch(owner):
            fields.fail("owners", f"{owner[:100]!a} is no @user, @org/team or e-mail")
    return tuple(dict.fromkeys(owners))


def _word(fields: Fields, key: str, word: str, gate: gates.Gate) -> gates.Gate:
    if not fields.is_text(key, word):
        fields.text(key)
        fields.fail(key, f"expected {word}")
    return gate


def _name(fields: Fields, key: str) -> str:
    text = fields.text(key)
    if not text.strip() or text != text.strip() or has_invisible(text):
        fields.fail(key, "expected a text of one line, without spaces around it")
    return text


def _branch(fields: Fields, key: str) -> str:
    """Return a branch's name; ``main~3`` or ``main@{1}`` would differ from clone to clone."""
    name = _name(fields, key)
    if _NO_BRANCH.search(name):
        fields.fail(key, f"{name[:100]!a} cannot be a branch's name")
    return name


def _formats(entry: Fields) -> gates.Gate:
    inner = entry.fields("formats").only(("allowed", "forbidden"))
    if inner.lists("allowed") == inner.lists("forbidden"):
        entry.fail("formats", "expected either allowed or forbidden")
    key = "allowed" if inner.lists("allowed") else "forbidden"
    extensions = []
    for text in inner.text_list(key):
        match = _EXTENSION.fullmatch(text)
        if match is None:
            inner.fail(key, f"{text[:40]!a} is no file extension such as pkl")
        extensions.append(match[1].lower())
    if not extensions:
        inner.fail(key, "expected a list of file extensions, at least one")
    found = tuple(dict.fromkeys(extensions))
    return gates.Formats(allowed=found) if key == "allowed" else gates.Formats(forbidden=found)


def _card(entry: Fields) -> gates.Gate:
    keys = entry.text_list("card")
    if not keys:
        entry.fail("card", "expected a list of what it has to say, at least one")
    for key in keys:
        entry.one_of("card", KEYS, "a part of a card", key)
    return CardSays(keys)


def _size(entry: Fields) -> gates.Gate:
    inner = entry.fields("size").only(("at_most",))
    if not inner.is_of("at_most", int):
        size = parse_size(inner.text("at_most"))
        if size is None:
            inner.fail("at_most", "expected a size such as 500 MB or 2 GiB")
        return gates.Size(size)
    return gates.Size(min(inner.integer("at_most"), MOST - 1))  # no artifact is larger


def _moment(fields: Fields, key: str) -> int:
    moment = parse_moment(fields.text(key))
    if moment is None:
        fields.fail(key, "expected a time with its zone, as in 2026-12-20T00:00:00Z")
    return moment
