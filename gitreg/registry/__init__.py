"""`Registry`: everything that gitreg does, as a Python API; see `gitreg.registry.facade`."""

from gitreg.registry.facade import ReferenceLike, Registry

__all__ = ["ReferenceLike", "Registry"]
