"""Where the bytes of a new version come from: a file or folder, what DVC tracks, or a text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitreg.artifacts.files import near_sibling
from gitreg.artifacts.lineage import TrackedOutput, find_tracked
from gitreg.core.model import layout
from gitreg.core.model.manifest import is_artifact_name
from gitreg.errors import InvalidRequest, NotFound
from gitreg.git import scratch


@dataclass(frozen=True)
class Source:
    """A file or folder to register, and what DVC knows of it.

    Attributes:
        path: where it is, absolute; missing when only DVC's cache or remote has the bytes.
        tracked: what DVC recorded; ``None`` for what DVC does not track.
        warnings: what the person should know of it.
    """

    path: Path
    tracked: TrackedOutput | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, given: Path, *, with_metrics: bool) -> Source:
        """Return the source that a person named: a file, a folder, or a ``.dvc`` file.

        Raises:
            InvalidRequest: it is neither a file nor a folder, or lies inside a ``.git`` folder.
            NotFound: nothing is there, and DVC does not track it either.
        """
        tracked = find_tracked(given, with_metrics=with_metrics)
        if tracked is None:
            return cls.untracked(given)
        _check(tracked.path)
        return cls(tracked.path, tracked, tracked.warnings)

    @classmethod
    def untracked(cls, path: Path) -> Source:
        """Return the file or folder at ``path``, without a look at DVC.

        Raises:
            InvalidRequest: it is neither a file nor a folder, or lies inside a ``.git`` folder.
            NotFound: nothing is there.
        """
        if not path.exists():
            raise NotFound(f"{path}: no such file or folder", hint=near_sibling(path))
        _check(path.resolve())
        return cls(path.resolve())

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


@contextmanager
def text_source(name: str, content: str) -> Iterator[Source]:
    """Yield a source that is a temporary file with a text.

    Raises:
        InvalidRequest: ``name`` is not the name of an artifact with an extension.
    """
    if not is_artifact_name(name) or name == "model":
        raise InvalidRequest(
            f"{name!a} is not an artifact's name: expected 'model.' and an extension"
        )
    with scratch.temporary("text") as folder:
        path = folder.resolve() / name
        path.write_text(content, "utf-8", newline="")
        yield Source(path)


def _check(path: Path) -> None:
    """Refuse what has no bytes to register, and a repository's own folder, which has secrets."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InvalidRequest(f"{path} is neither a file nor a folder")
    if ".git" in path.parts:
        raise InvalidRequest(f"{path} is inside a .git folder: that is not a model")
    if _is_of_the_registry(path):
        raise InvalidRequest(
            f"{path} is a folder of the registry, not a model",
            hint="name the file or folder that the training wrote",
        )


def _is_of_the_registry(path: Path) -> bool:
    """Tell whether a path is the registry's folder, or that of a model or a version in it."""
    return path.is_dir() and any(
        root / layout.ROOT in (path, *path.parents) and (root / layout.POLICY).is_file()
        for root in list(path.parents)[:4]  # registry/NAME/versions/5 is the deepest of them
    )
