r"""DVC 2's hash: the MD5 of a file in which a text's line ends are those of Unix.

It tells whether bytes are still those that a `.dvc` file or `dvc.lock` of DVC 2 records. It names
no object: two texts that differ in their line ends have the same hash.
"""

from __future__ import annotations

from pathlib import Path

from gitreg.dvc.digest import (
    FileDigest,
    dir_listing,
    listing_name,
    places_of,
    translated,
)


def old_md5(source: Path) -> str:
    """Return the hash that DVC 2 recorded for a file or folder; of a folder it ends in ``.dir``.

    Raises:
        InvalidRequest: see `gitreg.dvc.digest.places_of`.
        WorldError: a file cannot be read.
    """
    from dvc_data.hashfile.hash import file_md5

    places = places_of(source, as_source=True)
    with translated(source):
        found = {
            path: str(file_md5(str(place), name="md5-dos2unix")) for path, place in places.items()
        }
    if list(found) == [""]:
        return found[""]
    return listing_name(dir_listing(FileDigest(path, 0, md5, "") for path, md5 in found.items()))
