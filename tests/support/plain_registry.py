"""Reads a registry for the referee: Git's objects, documents, policies, signatures. Not by gitreg.

Commits are read through ``git cat-file``, documents by a YAML reader, signatures by ``ssh-keygen``.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

Held = tuple[int, ...]
NONE = "none"
HOUR = 3600


@lru_cache(maxsize=4096)
def parsed(data: bytes) -> dict[str, Any] | None:
    """Return a YAML mapping, or ``None`` where a text is none."""
    try:
        found = YAML(typ="safe", pure=True).load(data)
    except (YAMLError, ValueError):
        return None
    return found if isinstance(found, dict) else None


# Reading Git


@dataclass(frozen=True)
class Commit:
    oid: str
    parents: tuple[str, ...]
    tree: str
    time: int
    email: str
    message: str
    raw: bytes


class Repository:
    """Objects of a repository, by ``git cat-file --batch``."""

    def __init__(self, git_dir: Path) -> None:
        self._git = subprocess.Popen(
            ["git", f"--git-dir={git_dir}", "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._commits: dict[str, Commit] = {}
        self._trees: dict[str, dict[str, str]] = {}
        self._blobs: dict[str, bytes] = {}

    def close(self) -> None:
        self._git.communicate()

    def tag(self, oid: str) -> str:
        """Return the text of an annotated tag; nothing for another object."""
        data = self._read(oid)
        return data.decode() if data.startswith(b"object ") else ""

    def _read(self, oid: str) -> bytes:
        assert self._git.stdin is not None
        assert self._git.stdout is not None
        self._git.stdin.write(oid.encode() + b"\n")
        self._git.stdin.flush()
        size = int(self._git.stdout.readline().split()[2])
        return self._git.stdout.read(size + 1)[:-1]

    def commit(self, oid: str) -> Commit:
        if oid not in self._commits:
            raw = self._read(oid)
            head, _, message = raw.decode().partition("\n\n")
            lines = [line.partition(" ")[::2] for line in head.split("\n")]
            fields = dict(reversed(lines))
            email, _, time = fields["committer"].partition("<")[2].partition("> ")
            self._commits[oid] = Commit(
                oid,
                tuple(value for key, value in lines if key == "parent"),
                fields["tree"],
                int(time.split()[0]),
                email,
                message,
                raw,
            )
        return self._commits[oid]

    def paths(self, tree: str) -> dict[str, str]:
        """Return the paths of a tree, each with its blob."""
        if tree not in self._trees:
            found: dict[str, str] = {}
            data = self._read(tree)
            while data:
                head, _, rest = data.partition(b"\0")
                mode, _, name = head.decode().partition(" ")
                oid, data = rest[:20].hex(), rest[20:]
                inner = self.paths(oid) if mode == "40000" else {"": oid}
                found |= {f"{name}/{path}".rstrip("/"): blob for path, blob in inner.items()}
            self._trees[tree] = found
        return self._trees[tree]

    def blob(self, oid: str) -> bytes:
        if oid not in self._blobs:
            self._blobs[oid] = self._read(oid)
        return self._blobs[oid]

    def files(self, oid: str | None) -> Files:
        if oid is None:
            return Files(self, {})
        return Files(self, self.paths(self.commit(oid).tree))

    def ancestors(self, oid: str | None) -> set[str]:
        found: set[str] = set()
        left = [oid] if oid else []
        while left:
            if (one := left.pop()) not in found:
                found.add(one)
                left += self.commit(one).parents
        return found

    def bases(self, one: str, other: str) -> list[str]:
        """Return the merge bases of two commits."""
        common = self.ancestors(one) & self.ancestors(other)
        above = {oid for base in common for oid in self.ancestors(base) - {base}}
        return sorted(common - above)


# Reading a registry


class Files:
    """The files of a commit, and what they say about models."""

    def __init__(self, repository: Repository, paths: Mapping[str, str]) -> None:
        self._repository = repository
        self.paths = paths

    def over(self, other: Files, paths: Iterable[str]) -> Files:
        """Return these files with some paths as another commit has them."""
        new = dict(self.paths)
        for path in paths:
            new.pop(path, None)
            if path in other.paths:
                new[path] = other.paths[path]
        return Files(self._repository, new)

    def read(self, path: str) -> bytes | None:
        return self._repository.blob(self.paths[path]) if path in self.paths else None

    def document(self, path: str) -> dict[str, Any] | None:
        data = self.read(path)
        return None if data is None else parsed(data)

    def names(self) -> set[str]:
        """Return the folders of models, also of those that are gone."""
        return {path.split("/")[1] for path in self.paths if path.count("/") > 1} - {".dvc"}

    def inside(self, folder: str) -> dict[str, str]:
        """Return the files of a folder, by their path in it, each with its blob."""
        return {p.removeprefix(folder): b for p, b in self.paths.items() if p.startswith(folder)}

    def of(self, model: str) -> dict[str, str]:
        """Return the files of a model."""
        return self.inside(f"registry/{model}/")

    def is_there(self, model: str) -> bool:
        files = self.of(model)
        return bool(files) and "deleted.yaml" not in files

    def numbers(self, model: str, file: str = "manifest.yaml") -> set[int]:
        ends = f"/{file}"
        return {
            int(path.split("/")[1])
            for path in self.of(model)
            if path.startswith("versions/") and path.endswith(ends) and path.count("/") == 2
        }

    def pointers(self, model: str, kind: str) -> dict[str, Held]:
        """Return what the stages or the aliases of a model hold."""
        found = {}
        for path in self.of(model):
            if path.startswith(f"{kind}/"):
                document = self.document(f"registry/{model}/{path}") or {}
                held = document.get("versions") or [document.get("version")]
                if all(type(number) is int for number in held):
                    found[path.removeprefix(f"{kind}/").removesuffix(".yaml")] = tuple(held)
        return found

    def stages(self, model: str) -> dict[str, Held]:
        return self.pointers(model, "stages")

    def manifest(self, model: str, number: int) -> dict[str, Any]:
        return self.document(f"registry/{model}/versions/{number}/manifest.yaml") or {}


# Reading a policy


class Policy:
    """The rules of a registry, or of one model."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self.stages: dict[str, dict[str, Any]] = document.get("stages") or {}
        self.freezes: list[dict[str, Any]] = document.get("freeze") or []
        self.signers: dict[str, list[str]] = document.get("signers") or {}
        self.guard: dict[str, Any] = document.get("policy") or {}
        self._aliases: dict[str, dict[str, Any]] = document.get("aliases") or {}

    def of(self, model: str) -> Policy:
        """Return the rules of one model: each key given for it replaces the general one."""
        own = (self._document.get("models") or {}).get(model)
        if own is None:
            return self
        stages = {**self.stages}
        for name, rule in (own.get("stages") or {}).items():
            stages[name] = {**stages.get(name, {}), **rule}
        return Policy({**self._document, **own, "stages": stages, "models": None})

    def members(self, by: Iterable[str]) -> set[str]:
        roles = self._document.get("roles") or {}
        return {who for name in by for who in roles.get(name, [name])}

    def protected(self, alias: str) -> bool:
        return bool((self._aliases.get(alias) or {}).get("protected"))

    def is_frozen(self, stages: Iterable[str], moment: int) -> bool:
        for window in self.freezes:
            start, end = (datetime.fromisoformat(window[key]) for key in ("from", "until"))
            if start.timestamp() <= moment < end.timestamp() and (
                window.get("stages") is None or set(window["stages"]) & set(stages)
            ):
                return True
        return False

    def same(self, other: Policy) -> bool:
        return (self.stages, self.freezes, self._aliases) == (
            other.stages,
            other.freezes,
            other._aliases,
        )


INITIAL = Policy(
    {"stages": {"staging": {}, "production": {"holds": 1, "replaced": "archived"}, "archived": {}}}
)


def policy_of(files: Files) -> Policy:
    document = files.document("registry/policy.yaml")
    return INITIAL if document is None else Policy(document)


# Signatures


class Keys:
    """The people whose keys a policy lists, asked through ``ssh-keygen``."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._known: dict[tuple[bytes, bytes, str, str, str], bool] = {}

    def close(self) -> None:
        self._folder.cleanup()

    def verify(self, text: bytes, signature: bytes, space: str, who: str, policy: Policy) -> bool:
        """Tell whether a person signed a text, with a key that the policy lists."""
        keys = "".join(f"{who} {key}\n" for key in policy.signers.get(who, ()))
        case = (text, signature, space, who, keys)
        if case not in self._known:
            allowed, signed = (Path(self._folder.name, name) for name in ("allowed", "signature"))
            allowed.write_text(keys)
            signed.write_bytes(signature)
            self._known[case] = (
                subprocess.run(
                    [
                        "ssh-keygen",
                        "-Yverify",
                        f"-n{space}",
                        f"-I{who}",
                        f"-f{allowed}",
                        f"-s{signed}",
                    ],
                    input=text,
                    capture_output=True,
                    check=False,
                ).returncode
                == 0
            )
        return self._known[case]

    def signer(self, commit: Commit, policy: Policy) -> str | None:
        """Return who signed a commit."""
        found = re.search(rb"^gpgsig (.*\n(?: .*\n)*)", commit.raw, re.MULTILINE)
        if found is None or found.start() > commit.raw.index(b"\n\n"):
            return None
        text = commit.raw[: found.start()] + commit.raw[found.end() :]
        signature = found[1].replace(b"\n ", b"\n")
        signers = (
            who for who in policy.signers if self.verify(text, signature, "git", who, policy)
        )
        return next(signers, None)


# What history says


@dataclass(frozen=True)
class Life:
    """What became of a name since it was given to the model that it has.

    Attributes:
        began: the commit that ended the life before; nothing for the first life of a name.
        highest: the highest number that a version had.
        standing: by stage, the moves that were not taken back, oldest first.
        last: by stage, the commit that moved it last.
        entered: when versions entered stages, by number and stage.
        tagged: the commits that the tags of versions are on, by number.
    """

    began: str | None = None
    highest: int = 0
    standing: Mapping[str, tuple[tuple[Held, Held], ...]] = field(default_factory=dict)
    last: Mapping[str, str] = field(default_factory=dict)
    entered: Mapping[tuple[int, str], int] = field(default_factory=dict)
    tagged: Mapping[int, str] = field(default_factory=dict)

    def moved(self, stage: str, before: Held, after: Held, commit: str, time: int) -> Life:
        moves = list(self.standing.get(stage, ()))
        back = [n for n, move in enumerate(moves) if move[0] == after]
        if not after:  # nothing stands again only where the last move is taken back
            back = [n for n in back if n == len(moves) - 1]
        moves[back[-1] if back else len(moves) :] = [] if back else [(before, after)]
        came = {(number, stage): time for number in set(after) - set(before)}
        return replace(
            self,
            standing={**self.standing, stage: tuple(moves)},
            last={**self.last, stage: commit},
            entered={**self.entered, **came},
        )

    def was_held(self, stage: str, after: Held) -> bool:
        """Tell whether a stage would be back where it was before a move that stands."""
        moves = self.standing.get(stage, ())
        if not after:
            return bool(moves) and not moves[-1][0]
        # What was only taken out returns as the next move or not at all.
        replacing = [move for move in moves[:-1] if set(move[1]) - set(move[0])]
        return any(set(after) <= set(held) for held, _ in (*replacing, *moves[-1:]))


@dataclass(frozen=True)
class History:
    """What the branch did up to a commit.

    Attributes:
        lives: of all names.
        ended: for names without a model, the life that ended last, and the files that it had.
        pointed: the names under which a pointer ever moved.
    """

    lives: Mapping[str, Life] = field(default_factory=dict)
    ended: Mapping[str, tuple[Life, dict[str, str]]] = field(default_factory=dict)
    pointed: frozenset[str] = frozenset()

    def life(self, model: str) -> Life:
        return self.lives.get(model, Life())

    def after(self, before: Files, after: Files, commit: str, time: int) -> History:
        """Return the history after a commit that made ``after`` of ``before``."""
        lives, ended = dict(self.lives), dict(self.ended)
        for model in before.names() | after.names():
            if before.of(model) == after.of(model):
                continue
            is_restored = self.is_restored(model, before, after)
            life = ended.pop(model)[0] if is_restored else lives.get(model, Life())
            seen = after.numbers(model) | after.numbers(model, "deleted.yaml")
            born = after.numbers(model) - before.numbers(model) - life.tagged.keys()
            tagged = {max(born): commit} if born else {}  # of several, the highest: 1.4
            highest = max(life.highest, *seen, 0)
            life = replace(life, highest=highest, tagged={**life.tagged, **tagged})
            was, now = before.stages(model), after.stages(model)
            for stage in {*was, *now}:
                held = was.get(stage, ()), now.get(stage, ())
                if held[0] != held[1]:
                    life = life.moved(stage, *held, commit, time)
            lives[model] = life
            tombstone = f"registry/{model}/deleted.yaml"
            is_told = tombstone in after.paths and tombstone not in before.paths
            if is_told or (before.is_there(model) and not after.is_there(model)):
                ended[model] = (life, before.of(model))
                lives[model] = Life(commit)
        pointed = {
            model for model in before.names() | after.names() if self._points(before, after, model)
        }
        return History(lives, ended, self.pointed | pointed)

    @staticmethod
    def _points(before: Files, after: Files, model: str) -> bool:
        return any(
            before.pointers(model, kind) != after.pointers(model, kind)
            for kind in ("stages", "aliases")
        )

    def is_restored(self, model: str, before: Files, after: Files) -> bool:
        """Tell whether a model is back that is what stood, file by file, before its latest end.

        A model that was renamed is not back beside the one of its other name.
        """
        if before.is_there(model) or not after.is_there(model) or model not in self.ended:
            return False
        note = before.document(f"registry/{model}/deleted.yaml") or {"renamed_to": model}
        new = note.get("renamed_to")
        gone = new is None or (before.is_there(new) and not after.is_there(new))
        return gone and self.ended[model][1] == after.of(model)


@dataclass(frozen=True)
class Move:
    """A version that enters a stage, or leaves its stage for none."""

    version: int
    stage: str
    came_from: str


def moves_between(before: Mapping[str, Held], after: Mapping[str, Held]) -> Iterator[Move]:
    for number in sorted({n for held in (*before.values(), *after.values()) for n in held}):
        was = [stage for stage, held in before.items() if number in held]
        now = [stage for stage, held in after.items() if number in held]
        left = [stage for stage in was if stage not in now]
        came_from = next(iter(left or was), NONE)
        entered = [stage for stage in now if stage not in was]
        for stage in entered or ([NONE] if left else []):
            yield Move(number, stage, came_from)
