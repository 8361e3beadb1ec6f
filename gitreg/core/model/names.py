"""Names: model, version, stage, alias, reference and tag, parsed and formatted in one place.

Each parser has a formatter that is its inverse. `parse_reference` lists what people may type. The
grammar of tags is GTO's (``gto/constants.py``).

>>> parse_reference("churn-predictor@champion")
Reference(model='churn-predictor', version=None, alias='champion', stage=None, latest=False)
>>> str(parse_reference("models:/churn-predictor/Production"))
'churn-predictor/production'
>>> folder_of("Größe 2"), name_of("Gr%C3%B6%C3%9Fe%202")
('Gr%C3%B6%C3%9Fe%202', 'Größe 2')
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from gitreg.core.text.invisible import has_invisible
from gitreg.errors import InvalidRequest

NAME_LIMIT = 100
"""The longest model name or alias, in characters."""

FOLDER_LIMIT = 255
"""The longest file name that common file systems take, in bytes."""

NO_STAGE = "none"
"""The word for 'in no stage'; no pointer file has this name."""

ARCHIVE = "archived"
"""The stage of retired versions; a registry's policy may leave it out."""

LIFECYCLE_STAGES = ("staging", "production", ARCHIVE)
"""MLflow's stages beside None; a registry's policy may name others."""

_MLFLOW_STAGES = (NO_STAGE, *LIFECYCLE_STAGES)

_PORTABLE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?")
_WINDOWS_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
_STAGE = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_ALIAS = re.compile(r"\w[\w-]*")
_NUMBER = re.compile(r"v?([1-9][0-9]{0,8})(?:\.0\.0)?", re.ASCII)
_LOOKS_LIKE_A_NUMBER = re.compile(r"v?\d+(?:\.\d+)*", re.IGNORECASE)
_TAG = re.compile(
    r"(?P<model>[a-zA-Z0-9_-]+)"
    r"(?:@v(?P<version>[1-9][0-9]{0,8})\.0\.0(?:(?P<deleted>!)#(?P<deletion>[1-9][0-9]{0,8}))?"
    r"|#(?P<pointer>[a-zA-Z0-9_-]+)(?P<cancelled>!?)#(?P<counter>[1-9][0-9]{0,8}))"
)
# All tags that GTO acts on; gitreg writes only some. GTO also cancels without a counter, deprecates
# an artifact, and knows versions that are no whole numbers.
_GTO_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9/_-]*[a-zA-Z0-9])?"
_TAGGABLE = re.compile(_GTO_NAME)
_GTO_TAG = re.compile(
    rf"(?P<model>{_GTO_NAME})"
    rf"(?:#{_GTO_NAME}!?|@v[0-9]+\.[0-9]+\.[0-9]+[0-9a-zA-Z.+-]*!?|@deprecated|@created)(?:#[0-9]+)?"
)
_OPERATION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,62}[A-Za-z0-9]")


def _shown(text: str) -> str:
    """Return ``text`` quoted, escaped and shortened for an error message."""
    return ascii(text if len(text) <= NAME_LIMIT else text[:NAME_LIMIT] + "…")


def fold(name: str) -> str:
    """Return the form in which names that differ only in case or Unicode form are equal."""
    return unicodedata.normalize("NFKC", name).casefold()


def check_model_name(name: str) -> str:
    """Return ``name`` if it may name a registered model.

    Raises:
        InvalidRequest: it is empty, longer than `NAME_LIMIT`, has ``/ : @ #`` or an invisible
            character, or starts or ends with a space, ``.`` or ``-``.
    """
    rule = None
    if not name:
        rule = "it is empty"
    elif len(name) > NAME_LIMIT:
        rule = f"it has {len(name)} characters, {NAME_LIMIT} is the most"
    elif any(char in name for char in "/:@#"):
        rule = "/ : @ and # are reserved for references"
    elif has_invisible(name):
        rule = "it has a control or invisible character"
    elif name[0] in ".-" or name[-1] in ".-" or name != name.strip():
        rule = "it may not start or end with a space, '.' or '-'"
    elif fold(name) == "policy.yaml":
        rule = "the policy of the registry has that name"
    elif len(_encode(name)) > FOLDER_LIMIT:
        rule = f"as a folder name it is longer than {FOLDER_LIMIT} bytes"
    if rule:
        raise InvalidRequest(f"{_shown(name)} cannot be a model's name: {rule}")
    return name


def check_stage_name(stage: str) -> str:
    """Return ``stage`` in lower case if it may name a stage.

    Raises:
        InvalidRequest: it is not of the form ``letters-and-digits``, or it is reserved.
    """
    lowered = stage.lower()
    if lowered in (NO_STAGE, "latest") or _LOOKS_LIKE_A_NUMBER.fullmatch(lowered):
        raise InvalidRequest(f"{_shown(stage)} cannot be a stage's name: it is reserved")
    if len(lowered) > NAME_LIMIT or not _STAGE.fullmatch(lowered):
        raise InvalidRequest(
            f"{_shown(stage)} cannot be a stage's name: letters, digits and inner - or _ only"
        )
    return lowered


def check_alias(alias: str, stages: tuple[str, ...] = ()) -> str:
    """Return ``alias`` if it may name an alias in a registry that has ``stages``.

    MLflow's stages are allowed, because ``m@production`` is never the stage. Other stages are not:
    only their names tell that they get no tags; see `name_in_tags`.

    Raises:
        InvalidRequest: it is malformed, or looks like a version, ``latest`` or another stage.
    """
    rule = None
    if not is_alias(alias):
        rule = f"1 to {NAME_LIMIT} letters, digits, _ or -, not starting with -"
    elif len(_encode(alias)) + len(".yaml") > FOLDER_LIMIT:
        rule = f"as a file name it is longer than {FOLDER_LIMIT} bytes"
    elif _LOOKS_LIKE_A_NUMBER.fullmatch(alias):
        rule = "it looks like a version"
    elif alias.lower() == "latest":
        rule = "'latest' always means the highest version"
    elif alias.lower() in stages and alias.lower() not in _MLFLOW_STAGES:
        rule = "the policy has a stage of that name"
    if rule:
        raise InvalidRequest(f"{_shown(alias)} cannot be an alias: {rule}")
    return alias


def check_operation_id(text: str) -> str:
    """Return ``text`` if it may identify an operation.

    Raises:
        InvalidRequest: it is not 4 to 64 letters, digits and inner ``. _ -``.

    >>> check_operation_id("nightly-2026-11-25")
    'nightly-2026-11-25'
    """
    if not _OPERATION_ID.fullmatch(text):
        raise InvalidRequest(
            f"{_shown(text)} cannot be an operation's id: 4 to 64 letters, digits and "
            "inner . _ or -"
        )
    return text


def is_alias(name: str) -> bool:
    """Tell whether ``name`` has the form of an alias; reserved words are not checked."""
    return len(name) <= NAME_LIMIT and _ALIAS.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def is_model_name(name: str) -> bool:
    """Tell whether ``name`` may name a registered model."""
    try:
        check_model_name(name)
    except InvalidRequest:
        return False
    return True


def _encode(name: str) -> str:
    """Return ``name`` as a file name: itself when portable, else percent-encoded."""
    if _PORTABLE.fullmatch(name) and not _WINDOWS_DEVICE.fullmatch(name):
        return name
    encoded = "".join(
        char if char.isascii() and (char.isalnum() or char in "_-") else _percent(char)
        for char in name
    )
    # A device name such as `con` has nothing to encode. Encoding its first letter lets Windows
    # check out the folder, and can be reversed.
    return _percent(encoded[0]) + encoded[1:] if _WINDOWS_DEVICE.fullmatch(encoded) else encoded


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def folder_of(name: str) -> str:
    """Return the file name for a model's name or an alias, the inverse of `name_of`."""
    return _encode(name)


def name_of(folder: str) -> str | None:
    """Return the name that ``folder`` encodes, or ``None`` if gitreg never writes that folder."""
    try:
        name = unquote(folder, errors="strict")
    except UnicodeDecodeError:
        return None
    return name if name and _encode(name) == folder else None


@dataclass(frozen=True)
class Reference:
    """A model, and at most one way to choose a version of it."""

    model: str
    version: int | None = None
    alias: str | None = None
    stage: str | None = None
    latest: bool = False

    def __str__(self) -> str:
        if self.version is not None:
            return format_version(self.model, self.version)
        if self.alias is not None:
            return f"{self.model}@{self.alias}"
        if self.stage is not None:
            return f"{self.model}/{self.stage}"
        return f"{self.model}@latest" if self.latest else self.model

    @property
    def is_model(self) -> bool:
        """Whether only the model is named, no version of it."""
        return self == Reference(self.model)


def format_version(model: str, version: int) -> str:
    """Return ``churn-predictor@5``."""
    return f"{model}@{version}"


def parse_version_number(text: str) -> int | None:
    """Return 5 for ``5``, ``v5`` and ``v5.0.0``, and ``None`` for text that is no version."""
    match = _NUMBER.fullmatch(text)
    return int(match.group(1)) if match else None


def parse_reference(text: str) -> Reference:
    """Return the reference that ``text`` spells.

    ====================================================  ==============================
    ``m@5`` ``m:5`` ``m/5`` ``m@v5`` ``models:/m/5``      version 5
    ``m@champion`` ``models:/m@champion``                 the alias, even if it is ``production``
    ``m/production`` ``m#production`` ``models:/m/Production``  the stage, in any case
    ``m@latest`` ``models:/m/latest``                     the highest version
    ``m``                                                 the model itself
    ====================================================  ==============================

    Raises:
        InvalidRequest: the text is none of these, or a name in it is malformed.
    """
    rest = text.removeprefix("models:/").lstrip("/") if text.startswith("models:/") else text
    match = re.search("[@:/#]", rest)
    if match is None:
        return Reference(check_model_name(rest))
    if match.start() == 0:
        raise InvalidRequest(
            f"{_shown(text)} names no model",
            hint="put the model's name in front, as in churn-predictor@champion",
        )
    model = check_model_name(rest[: match.start()])
    separator, selector = match.group(), rest[match.end() :]
    number = parse_version_number(selector)
    if number is not None and separator != "#":
        return Reference(model, version=number)
    if selector.lower() == "latest" and separator != "#":
        return Reference(model, latest=True)
    if _LOOKS_LIKE_A_NUMBER.fullmatch(selector):
        raise InvalidRequest(
            f"{_shown(text)}: {_shown(selector)} is not a version",
            hint="versions are 1, 2, 3 …, as in churn-predictor@5",
        )
    if separator in "/#":
        stage = selector.lower()
        return Reference(model, stage=stage if stage == NO_STAGE else check_stage_name(selector))
    if separator == "@" and is_alias(selector):
        return Reference(model, alias=selector)
    raise InvalidRequest(
        f"{_shown(text)} is not a reference",
        hint="try churn-predictor@5, churn-predictor@champion or churn-predictor/production",
    )


@dataclass(frozen=True)
class RegistryTag:
    """A tag in GTO's grammar: a version's, or the Nth event of a model.

    ``m@v5.0.0`` registers a version and ``m@v5.0.0!#9`` deregisters it. ``m#production#8`` assigns
    a version to a stage or an alias, and ``m#production!#9`` empties it.
    """

    model: str
    version: int | None = None
    pointer: str | None = None
    counter: int | None = None
    cancelled: bool = False

    def __str__(self) -> str:
        head = f"#{self.pointer}" if self.version is None else f"@v{self.version}.0.0"
        tail = "" if self.counter is None else f"#{self.counter}"
        return f"{self.model}{head}{'!' if self.cancelled else ''}{tail}"


def is_taggable(name: str) -> bool:
    """Tell whether GTO's grammar accepts ``name`` for an artifact or a stage."""
    return _TAGGABLE.fullmatch(name) is not None


def name_in_tags(pointer: str) -> str | None:
    """Return how tags name a pointer; ``None`` for a pointer that gets no tags.

    An alias that is called like one of MLflow's stages gets none: GTO and DVC would take them for
    tags of the stage.

    >>> [name_in_tags(f"{kind}/production") for kind in ("stages", "aliases")]
    ['production', None]
    >>> name_in_tags("aliases/champion")
    'champion'
    """
    kind, _, name = pointer.partition("/")
    if not is_taggable(name) or (kind == "aliases" and name.lower() in _MLFLOW_STAGES):
        return None
    return name


def parse_tag(text: str) -> RegistryTag | None:
    """Return the registry tag that ``text`` spells, or ``None`` for any other tag."""
    match = _TAG.fullmatch(text)
    if match is None or not is_taggable(match["model"]):
        return None
    if match["version"]:
        return RegistryTag(
            match["model"],
            version=int(match["version"]),
            counter=int(match["deletion"]) if match["deletion"] else None,
            cancelled=bool(match["deleted"]),
        )
    if not is_taggable(match["pointer"]):
        return None
    return RegistryTag(
        match["model"],
        pointer=match["pointer"],
        counter=int(match["counter"]),
        cancelled=bool(match["cancelled"]),
    )


def model_of_tag(text: str) -> str | None:
    """Return the model that a tag is about for GTO and DVC, ``None`` for other tags.

    >>> [model_of_tag(tag) for tag in ("churn@v2.0.0!", "churn@deprecated", "v2.0.0", "churn@x")]
    ['churn', 'churn', None, None]
    """
    match = _GTO_TAG.fullmatch(text)
    return None if match is None else match["model"]
