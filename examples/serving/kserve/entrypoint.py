"""KServe's storage initializer for models of a gitreg registry: `entrypoint.py URI FOLDER`.

`gitreg://churn-predictor/production` is a reference as everywhere in gitreg (`@champion` and `/5`
as well) in the registry of which GITREG_REPOSITORY is the URL. The bytes are verified before
anything is in FOLDER. For a model that is a folder, its files come directly into FOLDER.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote

from gitreg import Registry
from gitreg.errors import GitregError, InvalidRequest

SCHEME = "gitreg://"


def fetch(uri: str, folder: Path, repository: str) -> str:
    """Put the model that a URI names into a folder; return the version, `churn-predictor@5`.

    Raises:
        GitregError: the URI is no reference, or the version cannot be had.
    """
    reference = unquote(uri.removeprefix(SCHEME))
    if not uri.startswith(SCHEME) or not reference:
        raise InvalidRequest(f"{uri!r} is no model: expected {SCHEME}MODEL/STAGE")
    folder.mkdir(parents=True, exist_ok=True)
    # Beside the place itself, which is another file system than the image's.
    with (
        tempfile.TemporaryDirectory(prefix=".gitreg-", dir=folder) as temporary,
        Registry(repository) as registry,
    ):
        version = registry.resolve(reference)
        pulled = registry.pull(version, temporary)
        for path in sorted(pulled.iterdir()) if pulled.is_dir() else [pulled]:
            shutil.move(path, folder / path.name)
    return str(version)


def main(arguments: list[str]) -> int:
    """Do it, and say what was fetched; return the exit code."""
    if len(arguments) != 2:
        print("usage: entrypoint.py gitreg://MODEL/STAGE FOLDER", file=sys.stderr)
        return 2
    uri, folder = arguments
    repository = os.environ.get("GITREG_REPOSITORY")
    if not repository:
        print("GITREG_REPOSITORY is not set: it is the registry's URL", file=sys.stderr)
        return 2
    try:
        print(f"{fetch(uri, Path(folder), repository)} is in {folder}")
    except GitregError as error:
        print(f"{error}\n{error.hint or ''}".rstrip(), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
