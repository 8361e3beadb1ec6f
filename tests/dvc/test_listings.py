"""The listings of folders in a DVC cache: none of them is trusted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitreg.dvc import DvcProject, digest, read_listing
from gitreg.errors import DvcError
from tests.dvc.projects import (
    EMPTY,
    forget_cache,
    remote_path,
)
from tests.support.counting import calls_during

# DVC 3.67 itself meets this one.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


def listing(*entries: object) -> bytes:
    return json.dumps(entries).encode()


def entry(path: object, md5: object = EMPTY) -> dict[str, object]:
    return {"relpath": path, "md5": md5}


class TestHostileListings:
    @pytest.mark.parametrize(
        ("data", "rule"),
        [
            (b"", "not the listing"),
            (b"\xff", "not the listing"),
            (b"{}", "lists no files"),
            (b"[]", "lists no files"),
            (b"3", "not the listing"),
            (b'["a"]', "not the listing"),
            (b"[" * 100_000, "not the listing"),
            (listing({"relpath": "a"}), "not the listing"),
            (listing(entry(3)), "not the listing"),
            (listing(entry("a", 3)), "MD5"),
            (listing(entry("a", EMPTY.upper())), "MD5"),
            (listing(entry("a", "../" * 10 + "xx")), "MD5"),
            (listing(entry("a", EMPTY + ".dir")), "MD5"),
            (listing(entry("")), "plain relative path"),
            (listing(entry("../evil")), "plain relative path"),
            (listing(entry("a/../../evil")), "plain relative path"),
            (listing(entry("/etc/cron.d/evil")), "plain relative path"),
            (listing(entry("a//b")), "plain relative path"),
            (listing(entry("./a")), "plain relative path"),
            (listing(entry("..\\evil")), "backslash"),
            (listing(entry("C:/evil")), "drive letter"),
            (listing(entry("a\x00b")), "control character"),
            (listing(entry("a\x1b[2J")), "control character"),
            (listing(entry("\ud800")), "UTF-8"),
            (listing(entry(".git/hooks/post-checkout")), "not tracked"),
            (listing(entry("a/" * 3000 + "b")), "longer than"),
            (listing(entry("a"), entry("a")), "cannot exist in one folder"),
            (listing(entry("a"), entry("a/b")), "cannot exist in one folder"),
            (listing(entry("Model"), entry("model")), "cannot exist in one folder"),
        ],
    )
    def test_are_refused_everywhere(self, project: DvcProject, data: bytes, rule: str) -> None:
        oid = digest.listing_name(data)
        with pytest.raises(DvcError, match=rule) as error:
            read_listing(data, oid)
        assert str(error.value).isprintable()
        remote_path(project, oid).parent.mkdir(parents=True)
        remote_path(project, oid).write_bytes(data)
        if data:  # an empty one counts as absent
            for ask in (project.fetch, project.available):
                with pytest.raises(DvcError, match=rule):
                    ask(oid)
            assert not project.cache_path(oid).exists()
            project.cache_path(oid).parent.mkdir(parents=True)
            project.cache_path(oid).write_bytes(data)
            with pytest.raises(DvcError, match=rule):
                project.objects(oid)

    def test_that_are_too_large(
        self, project: DvcProject, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree = project.stage(model)
        project.push([tree.md5])
        project = forget_cache(project)
        monkeypatch.setattr("gitreg.dvc.remote.SIZE_LIMIT", 10)
        with pytest.raises(DvcError, match="is damaged"):
            project.fetch(tree.md5)

    def test_the_work_grows_with_the_number_of_files_alone(self) -> None:
        def reading(count: int) -> int:
            data = listing(*(entry(f"{number % 100}/{number}") for number in range(count)))
            assert len(read_listing(data, "x")) == count
            return calls_during(lambda: read_listing(data, "x"))

        assert reading(20_000) < 2.2 * reading(10_000)
