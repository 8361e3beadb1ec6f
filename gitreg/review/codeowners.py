"""CODEOWNERS, generated from the policy: who reviews changes to which files on a Git host.

A stage's rule names its ``owners`` (``production: {owners: ['@org/managers']}``), for all models or
for some. The owners of a stage own the policy, too: otherwise a policy change would bypass them.

>>> from gitreg.core.policy import DEFAULT
>>> owner_lines(DEFAULT)
[]
"""

from __future__ import annotations

import re
from pathlib import Path

from gitreg.core.model.layout import POLICY, ROOT
from gitreg.core.model.names import folder_of, is_model_name
from gitreg.core.policy import Policy
from gitreg.errors import InvalidDocument, InvalidRequest
from gitreg.review.workflows import HostFile

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
"""The paths where hosts look for the file; the first existing one counts."""

NEW = "CODEOWNERS"
"""The path of a new file: GitHub and GitLab both look there."""

BEGIN = "# >>> gitreg: written by `gitreg codeowners --write`, from registry/policy.yaml"
END = "# <<< gitreg"
SECTION = "[gitreg]"

_GLOB = re.compile(r"[A-Za-z0-9_.*?-]+")
# GitLab: a section is evaluated on its own, and is optional if it starts with ^.
_SECTION = re.compile(r"\^?\[[^]]+\]")


def owner_lines(policy: Policy) -> list[str]:
    """Return the lines that a policy implies; none when no stage has owners.

    The last line that matches a path counts, so more specific lines come later.

    Raises:
        InvalidRequest: the policy has rules for a glob that CODEOWNERS cannot express.
    """
    lines = []
    everybody: dict[str, None] = {}
    for stage, rule in policy.stages.items():
        if rule.owners:
            lines.append(f"/{ROOT}/*/stages/{stage}.yaml {' '.join(rule.owners)}")
            everybody.update(dict.fromkeys(rule.owners))
    # In the order in which the policy applies them: globs in file order, then names.
    for pattern, rules in sorted(policy.models.items(), key=lambda item: _is_name(item[0])):
        for stage, part in rules.stages.items():
            if "owners" not in part.given:
                continue
            path = f"/{ROOT}/{_folder_pattern(pattern)}/stages/{stage}.yaml"
            lines.append(" ".join([path, *part.rule.owners]))
            everybody.update(dict.fromkeys(part.rule.owners))
    if everybody:
        owners = " ".join(everybody)
        lines += [f"/{POLICY} {owners}", *(f"/{place} {owners}" for place in PLACES)]
        lines.append(f"/.github/workflows/ {owners}")
        lines += [f"/.gitlab-ci.yml {owners}", f"/.gitlab/gitreg.yml {owners}"]
    return lines


def _is_name(pattern: str) -> bool:
    """Tell whether a pattern is the name of one model."""
    return is_model_name(pattern) and not set(pattern) & set("*?[")


def _folder_pattern(pattern: str) -> str:
    """Return the pattern for the folders of the models that a policy pattern matches."""
    if _is_name(pattern):
        return folder_of(pattern)
    if not _GLOB.fullmatch(pattern):
        raise InvalidRequest(
            f"{POLICY}: models: {pattern!a}: CODEOWNERS has no such pattern",
            hint="owners need a model's name, or a glob of letters, digits, - _ . * and ?",
        )
    return pattern


def merge(text: str, lines: list[str]) -> str:
    """Return the text of a CODEOWNERS file with gitreg's lines; all other lines stay.

    New lines go to the end, because the last matching line counts. In a GitLab file with sections
    they get their own section, because the section above may be optional.

    Raises:
        InvalidDocument: the marks around gitreg's lines are not one pair.
    """
    if lines and any(_SECTION.match(line) and line != SECTION for line in text.splitlines()):
        lines = [SECTION, *lines]
    own = "".join(f"{line}\n" for line in (BEGIN, *lines, END)) if lines else ""
    found = text.splitlines(keepends=True)
    marks = [line.rstrip("\r\n") for line in found]
    starts = [place for place, line in enumerate(marks) if line.startswith("# >>> gitreg")]
    ends = [place for place, line in enumerate(marks) if line.startswith("# <<< gitreg")]
    if not starts and not ends:
        if not own:
            return text
        gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}{own}"
    if len(starts) != 1 or len(ends) != 1 or starts[0] > ends[0]:
        raise InvalidDocument(
            f"the lines {BEGIN.partition(':')[0]!r} and {END!r} are not one pair",
            hint="remove them and the lines between them by hand",
        )
    return "".join([*found[: starts[0]], own, *found[ends[0] + 1 :]])


def codeowners(policy: Policy, top: Path | None) -> tuple[HostFile, str]:
    """Return the wanted CODEOWNERS file, and the text of the present one.

    Args:
        policy: the policy that names the owners.
        top: the root of the work tree; ``None`` in a bare repository.

    Raises:
        InvalidRequest: the policy names no owners, or a file cannot be read as text.
    """
    lines = owner_lines(policy)
    there = [place for place in PLACES if top is not None and (top / place).is_file()]
    path = there[0] if there else NEW
    try:
        text = (top / path).read_bytes().decode() if top is not None and there else ""
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path} is not UTF-8") from None
    if not lines and BEGIN not in text:
        raise InvalidRequest(
            f"{POLICY} names no owners",
            hint="under a stage: owners: ['@org/release-managers']",
        )
    merged = merge(text, lines)
    _, _, after = merged.partition(f"{END}\n")
    warnings: tuple[str, ...] = ()
    if any(line.strip() and not line.startswith("#") for line in after.splitlines()):
        warnings = (f"{path}: lines after gitreg's win when they match the same files",)
    return HostFile(path, merged, warnings=warnings), text
