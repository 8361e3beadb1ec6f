"""`Registry`: everything that gitreg does, as a Python API.

The class is built in a line, each part on top of the one before.

============  ======================================================================
`facade`      `Registry`, with what concerns a clone: synchronise, check, doctor
`writing`     its methods that commit: register, annotate, approve, rename, delete
`moving`      its methods that move pointers: promote, archive, roll back, set an alias
`reading`     its methods that answer: resolve, show, log, pull, verify, policy
`parts`       what they work with: repository, history index, artifacts, publisher
`options`     the options that all reads and all writes share
`references`  references as callers give them
============  ======================================================================
"""

from gitreg.registry.facade import Registry
from gitreg.registry.options import ReadOptions, WriteOptions
from gitreg.registry.references import ReferenceLike

__all__ = ["ReadOptions", "ReferenceLike", "Registry", "WriteOptions"]
