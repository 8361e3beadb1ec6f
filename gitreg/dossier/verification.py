"""How each part of a dossier is verified with Git, DVC and OpenSSH alone. Pure.

Every check is a shell command that succeeds only if what the dossier says holds in the clone that
it runs in. Text from the registry is quoted; a command that would need invisible characters is
left out, since nobody can see what it does.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gitreg.approvals.reproductions import REPRODUCTION
from gitreg.approvals.signatures import APPROVAL
from gitreg.core.model import layout
from gitreg.core.state.history import Event
from gitreg.core.state.intervals import seconds_of
from gitreg.core.text.invisible import has_invisible
from gitreg.dossier.collect import DVC_FILES, Dossier, Reproduced, SignedApproval, moved_lines


@dataclass(frozen=True)
class Check:
    """A command that verifies a part of a dossier.

    Attributes:
        part: the part, by the key of its section.
        what: what it shows, in a sentence.
        command: for a shell, in the root of a clone; one or more lines.
    """

    part: str
    what: str
    command: str


def checks(found: Dossier) -> tuple[Check, ...]:
    """Return the commands that verify a dossier, in the order of its parts."""
    every = (
        *_history(found),
        *_files(found),
        *_bytes(found),
        *_lineage(found),
        *_moves(found),
        *_signed(found),
        *(check for one in found.approvals for check in _approval(found, one)),
        *(check for one in found.reproductions for check in _reproduction(one)),
        *_policy(found),
    )
    return tuple(one for one in every if not has_invisible(one.command.replace("\n", "")))


def _history(found: Dossier) -> Iterator[Check]:
    commit = found.commit
    yield Check(
        "state",
        "The commit of this dossier is in the history that you have, and no object is damaged.",
        f"git merge-base --is-ancestor {commit} HEAD &&\n"
        f"git fsck --no-dangling --no-progress {commit}",
    )


def _files(found: Dossier) -> Iterator[Check]:
    lines = "\n".join(f"{file.sha256}  {file.path}" for file in found.files)
    yield Check(
        "files",
        "The files of the version are those of this dossier.",
        f"sha256sum --check --strict --quiet <<'END'\n{lines}\nEND",
    )
    version = found.version
    written_once = [
        layout.manifest_path(version.model, version.version),
        layout.dvc_pointer_path(version.model, version.version, version.artifact.path),
    ]
    if version.environment.requirements is not None:
        written_once.append(
            layout.version_path(version.model, version.version, version.environment.requirements)
        )
    known = {file.path for file in found.files}
    paths = _quoted(path for path in written_once if path in known)
    born = next((event for event in found.events if event.is_birth), None)
    if version.commit is not None and born is not None and born.commit == version.commit:
        yield Check(
            "files",
            "What was registered has not changed from then until now.",
            f"git diff --quiet {version.commit} HEAD -- {paths} &&\n"
            f"git diff --quiet HEAD -- {paths}",
        )


def _bytes(found: Dossier) -> Iterator[Check]:
    version, artifact = found.version, found.version.artifact
    pointer = layout.dvc_pointer_path(version.model, version.version, artifact.path)
    model = posixpath.join(posixpath.dirname(pointer), artifact.path)
    inside, place = shlex.quote(posixpath.relpath(pointer, layout.ROOT)), shlex.quote(model)
    if artifact.is_folder:
        digest = (
            f"(cd {place} && find . -type f | sed 's|^\\./||' | LC_ALL=C sort |\n"
            "  xargs -d '\\n' sha256sum) | sha256sum"
        )
    else:
        digest = f"sha256sum < {place}"
    yield Check(
        "files",
        "The bytes of the model are those that were registered. DVC downloads them.",
        f"(cd {layout.ROOT} && dvc pull --quiet {inside}) &&\n"
        f"{digest} | grep -qxF '{artifact.sha256}  -'",
    )


def _lineage(found: Dossier) -> Iterator[Check]:
    code = found.version.lineage.code
    if code is None or not found.code_is_here:
        return
    yield Check(
        "lineage",
        "The code is in this repository.",
        f"git merge-base --is-ancestor {code.commit} {found.commit}",
    )
    files = _quoted(DVC_FILES)
    for one in sorted(found.data_in_code):
        yield Check(
            "lineage",
            "A DVC file of the code commit names the data by the same hash.",
            f"git grep --quiet --fixed-strings {one} {code.commit} -- {files}",
        )


def _moves(found: Dossier) -> Iterator[Check]:
    model = layout.model_path(found.version.model)
    folders = _quoted((f"{model}/stages", f"{model}/aliases"))
    expected = "\n".join(found.moves)
    lines = shlex.quote(moved_lines(found.version.version))
    yield Check(
        "moves",
        "These commits moved the version, and no others.",
        f'test "$(git log --no-show-signature --first-parent -m -G {lines} --format=%H \\\n'
        f'  {found.commit} -- {folders})" = {shlex.quote(expected)}',
    )
    told: set[str] = set()
    for event in found.events:
        if event.commit not in told and event.pointer is not None:
            told.add(event.commit)
            yield _move(found, event)


def _move(found: Dossier, event: Event) -> Check:
    facts = f"{event.author} {seconds_of(event.time)}"
    told = "git log --no-show-signature"
    show = f"{told} -1"
    merged = f"{event.commit}^1..{event.commit}"  # a merge tells the reason of what it merges
    lines = [
        f"git rev-list --first-parent {found.commit} | grep -qxF {event.commit}",
        f"test \"$({show} --format='%an <%ae> %ct' {event.commit})\" = {shlex.quote(facts)}",
    ]
    for said in (event.reason, event.override):
        first = next((line for line in (said or "").splitlines() if line.strip()), None)
        if first is not None:
            needle = shlex.quote(first.strip())
            lines.append(f"{told} --format=%B {merged} | grep -qF -e {needle}")
    what = f"{_WHAT.get(event.action, event.action)}: who, when, and why."
    return Check("moves", what, " &&\n".join(dict.fromkeys(lines)))


_WHAT = {"promote": "A promotion", "rollback": "A rollback", "alias": "A move of an alias"}


def _signed(found: Dossier) -> Iterator[Check]:
    for commit in found.signers:
        key = found.signers[commit].key
        signers = shlex.quote(f'signer namespaces="git" {key}')
        yield Check(
            "moves",
            "A commit that moved the version is signed with a key that the policy listed before.",
            f"{_POLICY_BEFORE.format(commit)} | grep -qF {_blob(key)} &&\n"
            f"d=$(mktemp -d) && printf '%s\\n' {signers} > \"$d/signers\" &&\n"
            f'git -c gpg.format=ssh -c gpg.ssh.allowedSignersFile="$d/signers" '
            f"verify-commit {commit}",
        )


_POLICY_BEFORE = f"git show {{}}^1:{layout.POLICY}"


def _policy(found: Dossier) -> Iterator[Check]:
    file, promoted = found.policy, found.explanation.promoted
    if file is None:
        return
    lines = [f"git show {file.commit}:{layout.POLICY} | sha256sum | grep -qxF '{file.sha256}  -'"]
    if found.explanation.policy is not None and promoted is not None and promoted.commit:
        lines.insert(0, f'test "$(git rev-parse {promoted.commit}^1)" = {file.commit}')
    yield Check("policy", "The policy is the one that was in force before.", " &&\n".join(lines))


def _approval(found: Dossier, one: SignedApproval) -> Iterator[Check]:
    if one.text is None or one.key is None or one.wanted is None:
        return
    wanted = one.wanted
    folder = layout.version_path(wanted.model, wanted.version)
    pointer = layout.dvc_pointer_path(wanted.model, wanted.version, found.version.artifact.path)
    # What can be computed is computed, so that the signature proves it.
    computed = {
        "repository": f"git rev-list --first-parent --max-parents=0 {one.commit} | tail -n 1",
        "manifest": _digest(found, one, f"{folder}/manifest.yaml"),
        "dvc": _digest(found, one, pointer),
    }
    words = []
    for line in one.text.decode().splitlines():
        key = line.partition(": ")[0]
        command = computed.get(key)
        words.append(f'"{key}: $({command})"' if command else shlex.quote(line))
    text = "printf '%s\\n' " + " \\\n  ".join(words)
    promoted = found.explanation.promoted
    before = f"{one.commit}^1" if promoted and promoted.commit == one.commit else one.commit
    listed = f"git show {before}:{layout.POLICY} | grep -qF {_blob(one.key)}"
    verified = _verified(APPROVAL, one.stored.principal, one.key, text)
    place = shlex.quote(f"{one.commit}:{one.path}")
    yield Check(
        "approvals",
        "An approval: the policy lists the key, and the key signed these bytes and this move.",
        f'{listed} &&\nd=$(mktemp -d) && git show {place} > "$d/sig" &&\n{verified}',
    )


def _digest(found: Dossier, one: SignedApproval, path: str) -> str:
    """Return what computes the hash of a file: of the one that is checked out, if it is there."""
    assert one.wanted is not None
    is_same = one.wanted.model == found.version.model
    source = f"sha256sum < {shlex.quote(path)}"
    if not is_same:
        source = f"git show {shlex.quote(f'{one.commit}:{path}')} | sha256sum"
    return f"{source} | cut -d ' ' -f 1"


def _verified(namespace: str, principal: str, key: str, text: str) -> str:
    signer = shlex.quote(principal)
    line = shlex.quote(f'{principal} namespaces="{namespace}" {key}')
    return (
        f"printf '%s\\n' {line} > \"$d/signers\" &&\n"
        f'{text} |\nssh-keygen -Y verify -n {namespace} -f "$d/signers" -I {signer} -s "$d/sig"'
    )


def _reproduction(one: Reproduced) -> Iterator[Check]:
    signer = one.signer
    if signer is None:
        return
    path = shlex.quote(one.path)
    signature = shlex.quote(layout.signature_path(one.path))
    verified = _verified(REPRODUCTION, signer.principal, signer.key, f"cat {path}")
    yield Check(
        "reproductions",
        "A statement on a reproduction: the policy lists the key, which signed the statement.",
        f"git show HEAD:{layout.POLICY} | grep -qF {_blob(signer.key)} &&\n"
        f'd=$(mktemp -d) && cat {signature} > "$d/sig" &&\n{verified}',
    )


def _blob(key: str) -> str:
    """Return the part of a public key that no form of YAML breaks."""
    return key.split()[1]


def _quoted(paths: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, paths))
