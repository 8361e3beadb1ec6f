"""The door to DVC: its cache and its remotes, object by object.

DVC's own push, pull and status are not used, for four observed reasons: a push skips the
members of a folder whose ``.dir`` object is on the remote already; a corrupt cache object is
uploaded without a word; a fetch of a missing object succeeds; and a check of an object whose file
is writable re-hashes it and *deletes* it when it is damaged, on a remote too. So objects are
looked up one by one with the remote's file system, and moved by DVC's own transfer, except into a
folder, where that one is not atomic.

No lock of DVC is taken: an object appears in the cache by an atomic rename under the name of its
content, so that two writers of the same object write the same bytes, and DVC never sees half of
one. Only ``dvc gc`` removes objects, and it does so by what the work tree names.

================  ==========================================================
`project`         `DvcProject`: what the rest of gitreg uses
`cache`           objects on this machine
`remote`          objects elsewhere
`folder`          uploads to a remote that is a folder
`checksums`       the MD5 that an object store reports for an object
`digest`          digests of files and folders
`audit`           a remote, read from end to end
`listing`         names of objects, and what a folder's listing may say
`foreign`         the configuration of a repository that is not the user's
`door`            foreign errors into ours
================  ==========================================================

DVC is imported only when it is needed: importing this package does not.
"""

from __future__ import annotations

from gitreg.dvc.audit import Audit, Fault
from gitreg.dvc.listing import Member, ObjectId, read_listing
from gitreg.dvc.project import DvcProject, init

__all__ = ["Audit", "DvcProject", "Fault", "Member", "ObjectId", "init", "read_listing"]
