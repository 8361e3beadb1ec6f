"""`gitreg verify --remote`: what others would pull, read from the DVC remote to the last byte."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import InvalidRequest
from tests.conftest import git, write_model
from tests.dvc.projects import COLLISION, damage
from tests.stories.test_dvc_faults import here, there, use_remote
from tests.support.commands import error, everything, gitreg

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")

WEIGHTS = hashlib.md5(b"weights 3").hexdigest()
FEATURES = hashlib.md5(b'["age"]').hexdigest()  # churn@1, churn@2, churn@3 and tokenizer@1 have it


@pytest.fixture
def work(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clone, in which everything is published, as the current folder."""
    monkeypatch.chdir(shared / "work")
    return shared / "work"


def codes(*arguments: str) -> dict[str, list[str]]:
    """Return the messages of an audit that finds something, by the codes of the findings."""
    found: dict[str, list[str]] = {}
    for finding in gitreg("verify", "--remote", "--json", *arguments, code=1).json:
        if finding["code"] == "ok":
            continue
        found.setdefault(finding["code"], []).append(f"{finding['subject']}: {finding['message']}")
    return found


def test_all_is_well_and_nothing_is_written(shared: Path, work: Path) -> None:
    shutil.rmtree(work / "registry" / ".dvc" / "cache")
    before = everything(work)
    store = {path: path.stat().st_mtime_ns for path in (shared / "dvc-remote").rglob("*")}
    ran = gitreg("verify", "--remote")
    assert ran.out == "churn@1: ok\nchurn@2: ok\nchurn@3: ok\ntokenizer@1: ok\n"
    assert {one["code"] for one in gitreg("verify", "--remote", "--json").json} == {"ok"}
    after = everything(work)
    assert {**after, "status": None} == {**before, "status": None}
    assert not (work / "registry" / ".dvc" / "cache").exists()
    assert {path: path.stat().st_mtime_ns for path in store} == store


def test_what_versions_share_is_read_once(work: Path) -> None:
    done: list[int] = []
    with Registry(work, progress=done.append) as registry:
        assert [found for _, found in registry.verify(remote=True)] == [[], [], [], []]
    assert sum(done) == len(b"weights 1weights 2weights 3words" + b'["age"]')


def test_missing(shared: Path, work: Path) -> None:
    there(shared, WEIGHTS).unlink()
    assert codes() == {"remote-missing": ["churn@3: DVC remote store: model.pkl: missing"]}
    assert gitreg("verify", "--remote", "churn@2", "tokenizer").out.count(": ok\n") == 2
    ran = gitreg("verify", "--remote", code=1)
    assert "1 of 4 versions do not match their manifests on the DVC remote" in ran.err
    assert "    gitreg verify --remote --repair churn@3\n" in ran.out
    here(work, WEIGHTS).unlink()
    ran = gitreg("verify", "--remote", code=1)
    assert "    in a clone that has the bytes: gitreg verify --remote --repair churn@3\n" in ran.out


@pytest.mark.parametrize("content", [b'["agE"]', b"more than it was", b""])
def test_other_bytes(shared: Path, work: Path, content: bytes) -> None:
    damage(there(shared, FEATURES), content)
    assert codes() == {
        "remote-differs": [
            f"{version}: DVC remote store: features.json: differs"
            for version in ("churn@1", "churn@2", "churn@3", "tokenizer@1")
        ]
    }
    assert there(shared, FEATURES).read_bytes() == content
    assert here(work, FEATURES).read_bytes() == b'["age"]'


@pytest.mark.parametrize("content", [None, b"[]"])
def test_a_listing(shared: Path, work: Path, content: bytes | None) -> None:
    """Its members are looked at all the same, by the listing in the cache where there is one."""
    with Registry(work) as registry:
        oid = str(registry.show("churn@3").artifact.md5)
    if content is None:
        there(shared, oid).unlink()
    else:
        damage(there(shared, oid), content)
    there(shared, WEIGHTS).unlink()
    wrong = "missing" if content is None else "differs"
    listing = f"churn@3: DVC remote store: the list of its files: {wrong}"
    member = "churn@3: DVC remote store: model.pkl: missing"
    told = [message for messages in codes().values() for message in messages]
    assert sorted(told) == sorted([listing, member])

    # The listing does not come back before all its members do.
    here(work, WEIGHTS).rename(shared / "aside")
    gitreg("verify", "--remote", "--repair", code=1)
    assert not there(shared, oid).exists() or there(shared, oid).read_bytes() == content
    (shared / "aside").rename(here(work, WEIGHTS))
    gitreg("verify", "--remote", "--repair")
    assert gitreg("verify", "--remote").out.count(": ok\n") == 4

    here(work, oid).unlink()
    there(shared, oid).unlink()
    ((only,),) = codes("churn@3").values()
    assert "the list of its files: missing" in only


def test_repair(shared: Path, work: Path) -> None:
    with Registry(work) as registry:
        registry.register("tiny", _file(work, b"tiny"), push=True)
    tiny = hashlib.md5(b"tiny").hexdigest()
    damage(there(shared, WEIGHTS), b"weights X")
    there(shared, tiny).unlink()
    found = gitreg("verify", "--remote", "--repair", "--json").json
    found = [one for one in found if one["code"] != "ok"]
    assert [(one["code"], one["severity"], one["subject"], one["message"]) for one in found] == [
        (
            "remote-repaired",
            "note",
            "churn@3",
            "DVC remote store: model.pkl: differs; repaired from the cache",
        ),
        (
            "remote-repaired",
            "note",
            "tiny@1",
            "DVC remote store: model.pkl: missing; repaired from the cache",
        ),
    ]
    assert there(shared, WEIGHTS).read_bytes() == b"weights 3"
    assert gitreg("verify", "--remote", "--repair").out.count(": ok\n") == 5


def test_what_the_cache_has_no_good_copy_of_is_not_repaired(shared: Path, work: Path) -> None:
    damage(there(shared, WEIGHTS), b"weights X")
    damage(here(work, WEIGHTS), b"weights Y")
    assert codes("--repair") == {
        "remote-differs": ["churn@3: DVC remote store: model.pkl: differs"]
    }
    assert there(shared, WEIGHTS).read_bytes() == b"weights X"
    assert here(work, WEIGHTS).read_bytes() == b"weights Y"


def test_bytes_made_to_have_the_same_md5(shared: Path, work: Path) -> None:
    with Registry(work) as registry:
        registry.register("tiny", _file(work, COLLISION[0]), push=True)
        oid = str(registry.show("tiny@1").artifact.md5)
    damage(there(shared, oid), COLLISION[1])
    listed = gitreg("verify", "--remote", "--json", code=1).json
    (finding,) = [one for one in listed if one["code"] != "ok"]
    assert finding == {
        "code": "remote-differs",
        "severity": "error",
        "subject": "tiny@1",
        "message": "DVC remote store: "
        "has the bytes that its .dvc file names, but not those of its manifest",
        "remedy": "git log -- registry/tiny/versions/1",
    }


def test_a_listing_that_leaves_the_artifact(shared: Path, work: Path) -> None:
    lie = b'[{"md5": "%s", "relpath": "../x"}]' % WEIGHTS.encode()
    oid = f"{hashlib.md5(lie).hexdigest()}.dir"
    there(shared, oid).parent.mkdir(exist_ok=True)
    there(shared, oid).write_bytes(lie)
    pointer = work / "registry/churn/versions/3/model.dvc"
    with Registry(work) as registry:
        md5 = str(registry.show("churn@3").artifact.md5)
    pointer.write_text(pointer.read_text().replace(md5, oid))
    git(work, "commit", "--quiet", "-am", "a lie")
    ((message,),) = codes().values()
    assert message == (
        f"churn@3: DVC remote store: DVC object {oid} lists '../x': it is not a plain relative path"
    )


def test_by_url(shared: Path, tmp_path: Path) -> None:
    url = str(shared / "origin.git")
    git(shared, "clone", "--quiet", url, "clone")
    assert gitreg("verify", "--remote", "--repo", str(shared / "clone")).out.count(": ok\n") == 4
    with Registry(f"file://{url}") as registry, pytest.raises(InvalidRequest, match="repaired"):
        registry.verify(remote=True, repair=True)


def test_the_request_is_wrong(work: Path) -> None:
    assert "only a DVC remote can be repaired" in error("verify", "--repair")
    assert "chrun" in error("verify", "--remote", "chrun")


def test_no_remote(work: Path) -> None:
    (work / "registry" / ".dvc" / "config").write_text("")
    assert "no DVC remote is configured" in error("verify", "--remote", code=3)


def test_a_folder_that_is_not_mounted(shared: Path, work: Path) -> None:
    shutil.rmtree(shared / "dvc-remote")
    said = error("verify", "--remote", code=3)
    assert "DVC remote store cannot be reached: there is no folder" in said
    assert not (shared / "dvc-remote").exists()


def test_a_file_in_the_place_of_a_folder_and_the_other_way_round(shared: Path, work: Path) -> None:
    there(shared, WEIGHTS).unlink()
    there(shared, WEIGHTS).mkdir()
    assert list(codes()) == ["remote-missing"]
    use_remote(work, str(shared / "file"))
    (shared / "file").write_text("not a folder")
    assert "no folder" in error("verify", "--remote", code=3)


def test_an_empty_registry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert gitreg("verify", "--remote").err == "no versions to verify\n"
    write_model(folder)


def _file(work: Path, content: bytes) -> Path:
    path = work / "models" / "tiny.pkl"
    path.write_bytes(content)
    return path
