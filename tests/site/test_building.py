"""Building: the same bytes, only what changed, nobody else's files, and the figures at scale."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from gitreg import InvalidRequest, Registry, WorldError
from gitreg.core.model.model import Artifact, Model, ModelVersion
from gitreg.git.damage import Damage, Damaged
from gitreg.site import build, building, finding
from gitreg.site.building import Built
from gitreg.site.output import MANIFEST, Counts, Output
from gitreg.site.pages import Pages
from gitreg.site.reading import main_stage, setting_of
from gitreg.site.seen import row_of
from gitreg.site.values import ModelSeen
from tests.conftest import git
from tests.support.commands import error, gitreg


def version() -> ModelVersion:
    artifact = Artifact("model", 5, 1, "ab" * 32, "cd" * 16)
    return ModelVersion("churn", 3, "2026-11-22T20:25:06Z", "Ada <ada@example.com>", artifact)


def built(clone: Path, folder: Path) -> Built:
    with Registry(clone) as registry:
        return build(registry, folder)


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_commit_gives_the_same_bytes_wherever_it_is_built(
    clone: Path, sites: Path, tmp_path: Path
) -> None:
    built(clone, tmp_path / "site")
    found = files(tmp_path / "site")
    assert found == files(sites / "rich")
    for path, content in found.items():
        assert str(tmp_path).encode() not in content, path
        if path.endswith(".html"):
            assert b'src="/' not in content
            assert b'href="/' not in content
            assert b"<script>" not in content
            assert b" style=" not in content


def test_a_build_writes_only_what_changed(clone: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    first = built(clone, site).counts
    assert (first.models, first.kept, first.deleted) == (3, 0, 0)
    total = first.written
    assert built(clone, site).counts == Counts(written=0, kept=total, deleted=0, models=0)
    before = files(site)
    with Registry(clone) as registry:
        registry.promote("tokenizer@1", stage="staging")
    moved = built(clone, site).counts
    after = files(site)
    changed = {path for path in after if before.get(path) != after[path]}
    assert changed == {
        *("index.html", "audit/events-0.js", "search/part-0.js", MANIFEST),
        *("models/tokenizer/index.html", "models/tokenizer/model.js"),
    }
    assert (moved.models, moved.written) == (1, len(changed) - 1)
    built(clone, tmp_path / "anew")
    assert files(tmp_path / "anew") == after


def test_several_processes_make_the_same_pages(
    clone: Path, sites: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "_MANY", 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    done: list[tuple[int, int]] = []
    with Registry(clone) as registry:
        build(registry, tmp_path / "site", tell=lambda *count: done.append(count))
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert files(tmp_path / "site") == files(sites / "rich")


def test_only_the_first_process_is_interrupted() -> None:
    with building.forked(1) as pool:
        assert pool.apply(signal.getsignal, (signal.SIGINT,)) is signal.SIG_IGN


def test_what_git_lost_is_said_by_each_process() -> None:
    damaged = Damaged(Damage(Path("HEAD"), "is empty", "git fsck"))
    found = pickle.loads(pickle.dumps(damaged))
    assert (str(found), found.hint) == ("HEAD is empty", "git fsck")


def test_a_model_that_is_deleted_or_renamed_leaves_no_page(clone: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    built(clone, site)
    with Registry(clone) as registry:
        registry.delete_alias("tokenizer", "stable")
        registry.delete_model("tokenizer", reason="unused")
        registry.rename_model("Fraud net", "fraud")
    built(clone, site)
    assert {path.name for path in (site / "models").iterdir()} == {"churn-predictor", "fraud"}
    built(clone, tmp_path / "anew")
    assert files(tmp_path / "anew") == files(site)


@pytest.mark.parametrize("harm", ["list", "page", "index", "program", "history"])
def test_what_is_old_or_damaged_is_built_again(clone: Path, tmp_path: Path, harm: str) -> None:
    site = tmp_path / "site"
    built(clone, site)
    wanted = files(site)
    manifest = site / MANIFEST
    document = json.loads(manifest.read_text())
    if harm == "list":
        manifest.write_text("{")
    elif harm == "page":
        (site / "models" / "churn-predictor" / "index.html").unlink()
    elif harm == "index":
        part = site / "search" / "part-0.js"
        part.write_text(part.read_text().replace("churn", "chorn"))
    elif harm == "program":
        manifest.write_text(json.dumps({**document, "builder": "0"}))
    else:
        document["known"]["oid"] = "0" * 40
        manifest.write_text(json.dumps(document))
    assert built(clone, site).counts.models == 3
    assert files(site) == wanted


def test_files_of_others_are_never_deleted_or_written_over(clone: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("mine")
    with pytest.raises(InvalidRequest, match="is not a site that gitreg built"):
        built(clone, theirs)
    assert files(theirs) == {"thesis.txt": b"mine"}

    site = tmp_path / "site"
    built(clone, site)
    (site / "CNAME").write_text("models.example.com")
    secret = tmp_path / "secret"
    secret.write_text("mine")
    document = json.loads((site / MANIFEST).read_text())
    document["files"] |= {"../secret": [4, "0"], str(secret): [4, "0"]}
    (site / MANIFEST).write_text(json.dumps(document))
    built(clone, site)
    assert (site / "CNAME").read_text() == "models.example.com"
    assert secret.read_text() == "mine"

    shutil.rmtree(site / "models")
    outside = tmp_path / "outside"
    outside.mkdir()
    (site / "models").symlink_to(outside)
    with pytest.raises(WorldError, match="is a symbolic link"):
        built(clone, site)
    assert files(outside) == {}


def test_no_file_behind_a_link_is_deleted(tmp_path: Path) -> None:
    site, outside = tmp_path / "site", tmp_path / "outside"
    output = Output(site, "builder")
    output.write("models/index.html", "page")
    output.finish({})
    (site / "models").rename(outside)
    (site / "models").symlink_to(outside)
    with pytest.raises(WorldError, match="is a symbolic link"):
        Output(site, "builder").finish({})
    assert files(outside) == {"index.html": b"page"}


def test_files_half_written_do_not_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site").mkdir()
    output = Output(tmp_path / "site", "builder")
    left, at_work = (tmp_path / "site" / f".gitreg-{name}" for name in ("left", "at-work"))
    left.touch()
    os.utime(left, (0, 0))
    at_work.touch()
    output.write("index.html", "page")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            output.write("audit.html", "page")
    assert set(files(tmp_path / "site")) == {"index.html", at_work.name}


def test_a_file_that_does_not_parse_is_shown_and_stops_nothing(clone: Path, tmp_path: Path) -> None:
    for path in ("versions/3/manifest.yaml", "stages/staging.yaml", "CARD.md"):
        (clone / "registry/churn-predictor" / path).write_text("---\n{: broken\n---\n")
    git(clone, "commit", "--quiet", "-am", "break it")
    built(clone, tmp_path / "site")
    page = (tmp_path / "site/models/churn-predictor/index.html").read_text()
    assert page.count("Files that do not parse") == 3
    (clone / "registry/policy.yaml").write_text("format: 2\n")
    git(clone, "commit", "--quiet", "-am", "break the policy")
    built(clone, tmp_path / "site")
    assert "The policy does not parse" in (tmp_path / "site/policy.html").read_text()


def test_a_model_needs_a_card_and_an_evaluation_only_once_it_serves() -> None:
    one = version()
    seen = ModelSeen(Model(one.model, one.version), (one,))
    kinds = [kind for kind, _ in row_of(seen, "production").wants]
    assert kinds == ["empty"]
    serving = replace(seen, model=Model(one.model, one.version, {"production": (one.version,)}))
    assert [kind for kind, _ in row_of(serving, "production").wants] == ["evaluation", "card"]
    assert main_stage(("dev", "live", "archived")) == "live"


def test_the_index_of_ten_thousand_versions_is_below_a_megabyte() -> None:
    said = replace(version(), description="word " * 100, tags={"k" * 50: "v" * 200})
    parts = finding.parts_for(10_000)
    entries: list[dict[str, list[object]]] = [{} for _ in range(parts)]
    for number in range(100):
        name = f"a-model-with-a-long-name-{number}"
        some = tuple(replace(said, model=name, version=one) for one in range(1, 101))
        seen = ModelSeen(Model(name, 100, description="text " * 100), some)
        entry = finding.entry_of(row_of(seen, "production"), seen)
        entries[finding.part_of(name, parts)][name] = entry
    written = [finding.part_text(number, part) for number, part in enumerate(entries)]
    assert all(finding.read_part(text) == part for text, part in zip(written, entries, strict=True))
    assert sum(len(text.encode()) for text in written) < finding.LIMIT


def test_the_command_builds_and_says_what_it_did(clone: Path, tmp_path: Path) -> None:
    where = ("--repo", str(clone), "-o", str(tmp_path / "site"))
    assert "3 models at" in gitreg("site", "build", *where).out
    assert "0 pages written, 35 unchanged" in gitreg("site", "build", *where).out
    assert "has files and is not a site" in error(
        "site", "build", "--repo", str(clone), "-o", str(clone), code=2
    )


def test_a_first_build_that_is_killed_is_repeated(tmp_path: Path) -> None:
    killed = Output(tmp_path / "site", "builder")
    killed.begin()
    killed.write("models/churn/index.html", "half")
    again = Output(tmp_path / "site", "builder")
    assert again.known == {}
    again.begin()
    again.write("models/churn/index.html", "whole")
    assert again.finish({"commit": "c"}) == Counts(written=1)
    assert Output(tmp_path / "site", "builder").known == {"commit": "c"}


@pytest.mark.parametrize("place", ["registry/pages", ".git/pages", ".git/refs/new"])
def test_no_page_is_among_the_files_of_the_registry_or_of_git(clone: Path, place: str) -> None:
    with pytest.raises(InvalidRequest, match="which has other files"):
        built(clone, clone / place)
    assert not (clone / place).exists()


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "inner"):
        with pytest.raises(InvalidRequest, match="is not a folder"):
            Output(place, "builder")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(WorldError, match="cannot be read"):
        Output(tmp_path / "loop", "builder")


def test_pages_of_a_shallow_clone_say_that_the_past_is_not_known(
    clone: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", "--depth", "1", clone.as_uri(), "shallow")
    for folder, is_cut in ((clone, False), (tmp_path / "shallow", True)):
        with Registry(folder) as registry:
            pages = Pages(setting_of(registry, registry.state(), None))
        for page in (pages.audit(1), pages.search(1)):
            assert ("built from a shallow clone" in page) is is_cut
