"""A DVC remote behind HTTP."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitreg.dvc import Audit, DvcProject, Fault, digest
from gitreg.errors import DvcError
from tests.dvc.projects import (
    ABSENT,
    damage,
    make_project,
)

# DVC 3.67 itself meets this one.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


class TestHttp:
    """A remote with an asynchronous file system, where DVC takes other ways."""

    @pytest.fixture
    def served(self, project: DvcProject, model: Path) -> Iterator[tuple[DvcProject, Any]]:
        tree = project.stage(model)
        project.push([tree.md5])
        root = project.root.parent / "remote"
        truncated: set[str] = set()

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args, directory=str(root))

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

            def do_POST(self) -> None:
                """Say yes and keep nothing."""
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def copyfile(self, source: Any, outputfile: Any) -> None:
                content = source.read()
                if self.path in truncated:
                    content = content[: len(content) // 2]
                    self.close_connection = True
                outputfile.write(content)

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            url = f"http://127.0.0.1:{server.server_port}"
            yield make_project(project.root.parent / "consumer", url), truncated
            server.shutdown()
            thread.join()

    def test_objects_are_fetched(self, served: tuple[DvcProject, Any], model: Path) -> None:
        project, _ = served
        tree = digest.hash_tree(model)
        done: list[int] = []
        assert project.available(tree.md5)
        assert not project.available(ABSENT)
        assert len(project.fetch(tree.md5, done.append)) == 4
        assert project.digest(tree.md5) == tree
        assert sum(done) == sum({file.md5: file.size for file in tree.members}.values())

    def test_an_upload_that_went_nowhere_is_noticed(
        self, served: tuple[DvcProject, Any], tmp_path: Path
    ) -> None:
        project, _ = served
        (tmp_path / "model.pkl").write_bytes(b"never arrives")
        tree = project.stage(tmp_path / "model.pkl")
        with pytest.raises(DvcError, match=f"gitreg uploaded {tree.md5} to DVC remote"):
            project.push([tree.md5])

    def test_of_another_size_than_in_the_cache(
        self, served: tuple[DvcProject, Any], model: Path
    ) -> None:
        """It is read to know which of the two is damaged: here it is the one in the cache."""
        project, _ = served
        tree = project.stage(model)
        damage(project.cache_path(tree.members[1].md5))
        assert project.push([tree.md5]) == 0

    def test_is_audited(self, served: tuple[DvcProject, Any], model: Path) -> None:
        project, truncated = served
        tree = digest.hash_tree(model)
        done: list[int] = []
        assert project.audit([tree.md5, tree.md5], done.append) == {tree.md5: Audit(tree=tree)}
        assert sum(done) == sum({file.md5: file.size for file in tree.members}.values())
        assert not (project.root / ".dvc" / "cache").exists()
        gone = project.audit([ABSENT, f"{ABSENT}.dir"])
        assert gone[ABSENT].faults == (Fault(ABSENT, "", is_missing=True, in_cache=False),)
        assert [fault.path for fault in gone[f"{ABSENT}.dir"].faults] == [None]
        oid = tree.members[1].md5
        truncated.add(f"/files/md5/{oid[:2]}/{oid[2:]}")
        with pytest.raises(DvcError, match=f"cannot read {oid} from DVC remote storage: "):
            project.audit([tree.md5])

    @pytest.mark.parametrize("status", [None, 403, 500])
    def test_no_answer_is_not_taken_for_absence(self, tmp_path: Path, status: int | None) -> None:
        """fsspec raises FileNotFoundError for all of them."""

        class Refusing(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_error(status or 0)

            def do_GET(self) -> None:
                self.do_HEAD()

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        server = http.server.HTTPServer(("127.0.0.1", 0), Refusing)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        if status is None:
            server.server_close()
        else:
            thread.start()
        project = make_project(tmp_path / "repo", f"http://127.0.0.1:{server.server_port}")
        try:
            for oid in (ABSENT, f"{ABSENT}.dir"):
                with pytest.raises(DvcError, match="DVC remote storage cannot be reached: "):
                    project.available(oid)
        finally:
            if status is not None:
                server.shutdown()
                thread.join()
                server.server_close()

    def test_half_a_file_does_not_stay(self, served: tuple[DvcProject, Any], model: Path) -> None:
        project, truncated = served
        tree = digest.hash_tree(model)
        oid = tree.members[1].md5
        truncated.add(f"/files/md5/{oid[:2]}/{oid[2:]}")
        with pytest.raises(DvcError, match="cannot fetch from DVC remote storage: "):
            project.fetch(tree.md5)
        assert oid in project.missing(tree.md5)
        truncated.clear()
        assert oid in project.fetch(tree.md5)
        assert project.verify_cached(tree.sha256, tree.md5) == []
