"""What pages show, as frozen values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gitreg.core.model.card import Card
from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.model import Model, ModelVersion
from gitreg.core.policy import Policy
from gitreg.core.state.history import Event
from gitreg.core.state.intervals import Track


@dataclass(frozen=True)
class Setting:
    """What all pages of a site have in common.

    Attributes:
        title: the site's.
        commit_url: the start of the address of a commit on the host; empty without one.
        repository: the registry's address on the host; empty without one.
        stages: the policy's stages, in its order.
        main: the stage that serves.
        home: the address of the page of all registries, from the folder of these pages; empty
            without one.
        is_catalogue: whether the site has several registries.
        is_cut: whether the history is that of a shallow clone.
    """

    title: str
    commit_url: str = ""
    repository: str = ""
    stages: tuple[str, ...] = ()
    main: str = "production"
    home: str = ""
    is_catalogue: bool = False
    is_cut: bool = False


@dataclass(frozen=True)
class Stand:
    """What a stage or an alias holds now, since when and by whom.

    Attributes:
        kind: ``stage`` or ``alias``.
        name: of it.
        versions: ascending.
        since: when the highest entered, in UTC; empty where history does not say.
        by: the name of who put it there.
        how: ``promote``, ``rollback`` …
        override: whether the policy was overridden.
    """

    kind: str
    name: str
    versions: tuple[int, ...]
    since: str = ""
    by: str = ""
    how: str = ""
    override: bool = False


@dataclass(frozen=True)
class Row:
    """A model in the overview.

    Attributes:
        name: the model.
        folder: its folder in the site, as an address.
        latest: its highest version; 0 for none.
        count: how many versions it has.
        line: the first line of its card or of its description.
        owner: who owns it.
        stands: what its stages and aliases hold, the archive left out.
        wants: kinds of what wants attention, each with a text.
        site: the folder of its registry's pages in a catalogue, as an address with a last slash.
        registry: the registry's name in a catalogue.
    """

    name: str
    folder: str
    latest: int
    count: int
    line: str
    owner: str
    stands: tuple[Stand, ...]
    wants: tuple[tuple[str, str], ...]
    site: str = ""
    registry: str = ""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Row:
        """Return the row that `dataclasses.asdict` made a document of."""
        stands = [
            Stand(**{**stand, "versions": tuple(stand["versions"])}) for stand in document["stands"]
        ]
        wants = tuple((kind, text) for kind, text in document["wants"])
        return cls(**{**document, "stands": tuple(stands), "wants": wants})


@dataclass(frozen=True)
class Member:
    """A registry in a catalogue.

    Attributes:
        name: of it.
        site: the folder of its pages, as an address with a last slash; empty without pages.
        models: how many models it has.
        versions: how many versions they have.
        moment: the date of the commit that the pages show, in UTC.
        commit: it.
        age: how much older than the newest commit in the catalogue it is, in words.
        is_read: whether this build reached the registry.
    """

    name: str
    site: str
    models: int
    versions: int
    moment: str
    commit: str
    age: str
    is_read: bool


@dataclass(frozen=True)
class Signed:
    """An approval in the tree.

    Attributes:
        stage: what it is for.
        principal: whose.
        verified: whether it counts; ``None`` where that cannot be checked here.
        key: the fingerprint of its key.
        reason: why it does not count.
    """

    stage: str
    principal: str
    verified: bool | None
    key: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Remade:
    """A statement that somebody made a version again.

    Attributes:
        verdict: ``identical``, ``equivalent`` or ``different``.
        facts: what it says besides.
        signer: the principal whose signature verifies; empty for none.
    """

    verdict: str
    facts: Mapping[str, Any]
    signer: str = ""


@dataclass(frozen=True)
class ModelSeen:
    """All that was read of a model.

    Attributes:
        model: its pointers and annotations.
        versions: ascending, those whose manifests parse.
        packages: version to the packages of its environment.
        deleted: version to its tombstone.
        card: what people wrote; ``None`` where there is nothing.
        tracks: which version stood where; only those of this life of the name.
        events: newest first.
        approvals: version to the approvals in the tree.
        remade: version to the statements on reproductions.
        broken: what does not parse, in words.
    """

    model: Model
    versions: tuple[ModelVersion, ...]
    packages: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    deleted: Mapping[int, Tombstone] = field(default_factory=dict)
    card: Card | None = None
    tracks: tuple[Track, ...] = ()
    events: tuple[Event, ...] = ()
    approvals: Mapping[int, tuple[Signed, ...]] = field(default_factory=dict)
    remade: Mapping[int, tuple[Remade, ...]] = field(default_factory=dict)
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class PolicyChange:
    """A commit that changed the policy.

    Attributes:
        commit: 40 hex digits.
        time: in UTC.
        author: ``Name <email>``.
        subject: the first line of its message.
        policy: the rules after it; ``None`` where they do not parse.
    """

    commit: str
    time: str
    author: str
    subject: str
    policy: Policy | None
