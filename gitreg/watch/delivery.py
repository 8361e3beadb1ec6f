"""One move, handed to all targets in turn, after its artifact was pulled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from gitreg.core.model.names import folder_of, format_version, parse_reference
from gitreg.registry import Registry
from gitreg.watch.moves import Move
from gitreg.watch.targets.target import Notice, Target


@dataclass(frozen=True)
class Delivery:
    """Who is told, and what is pulled before.

    Attributes:
        targets: in the order in which they are told.
        folder: where the artifact is pulled to, as ``folder/model``; ``None`` pulls none.
        is_shared: whether several references have folders of their own in it.
        timeout: seconds that a target may wait for others.
        say: prints a line for people.
    """

    targets: Sequence[Target]
    folder: Path | None = None
    is_shared: bool = False
    timeout: float = 300.0
    say: Callable[[str], None] = lambda _: None

    def __call__(
        self, registry: Registry, move: Move, done: Collection[str], ended: Callable[[str], None]
    ) -> None:
        """Hand a move to the targets.

        Args:
            registry: where it happened.
            move: the move.
            done: the names of targets that have it.
            ended: called with the name of each target that took it.

        Raises:
            GitregError: it could not be pulled, or a target did not take it.
        """
        path = self._pulled(registry, move)
        source = f"urn:gitreg:{quote(registry.name)}"
        notice = Notice(move, path, source, self.timeout, self.say)
        for target in self.targets:
            if target.name not in done:
                target(notice)
                ended(target.name)

    def _pulled(self, registry: Registry, move: Move) -> Path | None:
        if self.folder is None or move.version is None:
            return None
        folder = self.folder
        if self.is_shared:
            wanted = parse_reference(move.reference)
            folder = folder / folder_of(wanted.model) / (wanted.alias or wanted.stage or "latest")
        version = format_version(move.model, move.version)
        pulled = registry.pull(version, folder, replace_existing=True, rev=move.commit)
        return pulled.absolute()
