"""Whether a model is back as it was before its name ended."""

from __future__ import annotations

from gitreg.core.model import layout
from gitreg.git.repository import GitRepository


def is_restored(repository: GitRepository, ended_in: str | None, commit: str, model: str) -> bool:
    """Tell whether a model is at a commit, byte for byte, what it was before its latest end.

    Args:
        repository: where the commits are.
        ended_in: the commit that deleted or renamed the model last; ``None`` where none did.
        commit: the commit with the model.
        model: its name.
    """
    if ended_in is None:
        return False
    folder = layout.model_path(model)
    was, now = repository.reader.get_many([f"{ended_in}^:{folder}", f"{commit}:{folder}"])
    return was is not None and now is not None and was.oid == now.oid
