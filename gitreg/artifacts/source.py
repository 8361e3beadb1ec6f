"""Where the bytes of a version are: its source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gitreg.artifacts.lineage import TrackedOutput, find_tracked
from gitreg.artifacts.values import near_sibling
from gitreg.core.model.manifest import is_artifact_name
from gitreg.errors import NotFound


@dataclass(frozen=True)
class Source:
    """What is to be registered: where it lies, and what DVC knows of it already."""

    path: Path
    tracked: TrackedOutput | None

    @classmethod
    def of(cls, given: Path, *, with_metrics: bool) -> Source:
        """Return the source that a person named: a file, a folder, or a ``.dvc`` file.

        Raises:
            NotFound: nothing is there, and DVC does not track it either.
        """
        tracked = find_tracked(given, with_metrics=with_metrics)
        if tracked is not None:
            return cls(tracked.path, tracked)
        if not given.exists():
            raise NotFound(f"{given}: no such file or folder", hint=near_sibling(given))
        return cls(given.resolve(), None)

    @property
    def artifact_name(self) -> str:
        """``model``, with the extension of the source when that is a file."""
        folder = self.tracked.md5.endswith(".dir") if self.tracked else self.path.is_dir()
        if folder:
            return "model"
        endings = self.path.suffixes[-2:]
        if len(endings) == 2 and endings[0] != ".tar":
            endings = endings[1:]
        name = "model" + "".join(endings)
        return name if is_artifact_name(name) else "model"
