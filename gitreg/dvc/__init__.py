"""The only package that uses DVC: reads and writes its cache and remotes, object by object.

gitreg does not use DVC's own push, pull and status, for four observed reasons: a push skips the
members of a folder whose ``.dir`` object is on the remote already; a push uploads a corrupt cache
object without a warning; a fetch of a missing object succeeds; and a check of an object whose file
is writable hashes it again and *deletes* it when it is damaged, even on a remote. So gitreg looks
up objects one by one with the remote's file system. It moves them with DVC's own transfer, except
into a folder, where that transfer is not atomic.

gitreg takes no lock of DVC: an object appears in the cache by an atomic rename to the name of its
content. Two writers of the same object therefore write the same bytes, and DVC never sees an
incomplete object. Only ``dvc gc`` removes objects: those that the work tree does not name.

=================  =========================================================
`project`          `DvcProject`: the interface for the rest of gitreg
`cache`            objects on this machine
`remote`           objects on a DVC remote
`upload`           uploads what a remote does not have
`folder`           uploads to a remote that is a folder
`checksums`        checksums that an object store reports
`digest`           digests of files and folders
`member_paths`     which paths the files of an artifact may have
`ignoring`         what `.dvcignore` leaves out of a folder
`links`            which symbolic links in a folder are followed
`audit`            reads a whole remote and checks every object
`listing`          object names, and the rules for a folder's listing
`configuration`    the configuration of the user's own project
`registry_config`  the configuration of the registry's project
`foreign`          the configuration of a repository that is not the user's
`door`             translates DVC's errors into gitreg's
=================  =========================================================

Importing this package does not import DVC; that happens at the first use.
"""

from __future__ import annotations

from gitreg.dvc.audit import Audit, Fault
from gitreg.dvc.listing import Member, ObjectId, read_listing
from gitreg.dvc.project import DvcProject

__all__ = ["Audit", "DvcProject", "Fault", "Member", "ObjectId", "read_listing"]
