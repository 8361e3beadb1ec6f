"""What scripts rely on: keys, types and orders of ``--json``, exactly as promised."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from gitreg import Registry
from tests.conftest import git, isolate, write_model
from tests.support.commands import gitreg


@pytest.fixture(scope="module")
def full(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stocked registry and one version with every field set."""
    work = shutil.copytree(templates, tmp_path_factory.mktemp("json") / "s", symlinks=True) / "work"
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("json-home"))
        (work / "models").mkdir(exist_ok=True)
        (work / "models" / "train.csv").write_text("age\n")
        model = write_model(work, "all") / "model.pkl"
        with Registry(work) as registry:
            registry.register(
                "full",
                model,
                metrics={"auc": 0.5, "count": 3},
                params={
                    "train": {"lr": 0.1, "layers": [64, 8]},
                    "seed": 1,
                    "on": True,
                    "off": None,
                },
                tags={"feature_set": "v2"},
                data=[work / "models" / "train.csv"],
                description="in words",
                run_id="0a1b",
                reason="because",
            )
            registry.promote("full@1", stage="staging", alias=["challenger", "best"])
            registry.register("full", model)
            registry.annotate("full", owner="ada", description="the model")
    return work


@pytest.fixture(autouse=True)
def _there(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(full)


def answer(*args: str, code: int = 0) -> Any:
    ran = gitreg(*args, "--json", code=code)
    assert "\n  " in ran.out or ran.out == "[]\n"  # indented, for people
    return json.loads(ran.out, parse_constant=pytest.fail)


def shown(reference: str) -> Any:
    """Return a version as ``show`` gives it, but for the approvals, which it alone verifies."""
    found = answer("show", reference)
    del found["approvals"], found["approval_events"]
    return found


def test_show_of_a_version_of_which_everything_is_known(full: Path) -> None:
    found = answer("show", "full@1")
    assert list(found) == [
        "model",
        "version",
        "stage",
        "aliases",
        "metrics",
        "evaluations",
        "params",
        "tags",
        "description",
        "artifact",
        "lineage",
        "environment",
        "signature",
        "created_at",
        "created_by",
        "commit",
        "read_from",
        "approvals",
        "approval_events",
    ]
    assert found["approvals"] == []
    assert (found["model"], found["version"], found["stage"]) == ("full", 1, "staging")
    assert found["aliases"] == ["best", "challenger"]
    assert found["metrics"] == {"auc": 0.5, "count": 3}
    assert type(found["metrics"]["count"]) is int
    assert found["params"] == {
        "train": {"lr": 0.1, "layers": [64, 8]},
        "seed": 1,
        "on": True,
        "off": None,
    }
    assert found["params"]["on"] is True
    assert found["tags"] == {"feature_set": "v2"}
    assert found["description"] == "in words"
    assert found["artifact"] == {
        "path": "model.pkl",
        "size": 3,
        "files": 1,
        "sha256": "5ef5ef0364b6939c4ca61f34b393f7b368d1be8619647aaf83d5b395919ab629",
        "md5": "a181a603769c1f98ad927e7367c7aa51",
    }
    lineage = found["lineage"]
    assert lineage["source"] == "models/churn/model.pkl"
    assert set(lineage["code"]) == {"commit", "repository", "dirty", "untracked", "changed"}
    assert lineage["code"]["dirty"] is False
    assert lineage["data"] == [
        {
            "path": "models/train.csv",
            "md5": "cfd449bec15d15ccc3edf200fae4ce5d",
            "size": 4,
            "digest": None,
        }
    ]
    assert lineage["run"] == {"id": "0a1b", "tracking_uri": None, "link": None}
    assert lineage["logged_model"] is None
    assert found["signature"] is None
    assert lineage["command"] is None
    known = {"python", "platform", "requirements", "requirements_digest"}
    assert set(found["environment"]) == known
    assert found["created_by"] == "Ada Lovelace <ada@example.com>"
    assert found["commit"] == git(full, "rev-parse", "full@v1.0.0^{commit}")
    assert found["read_from"] == git(full, "rev-parse", "HEAD")


def test_show_says_null_for_what_is_absent() -> None:
    found = answer("show", "full@2")
    assert (found["stage"], found["description"]) == (None, None)
    assert (found["aliases"], found["metrics"], found["params"], found["tags"]) == ([], {}, {}, {})
    assert found["lineage"]["run"] is None
    assert found["lineage"]["data"] == []


def test_resolve(full: Path) -> None:
    assert answer("resolve", "full@best") == {
        "model": "full",
        "version": 1,
        "read_from": git(full, "rev-parse", "HEAD"),
    }
    assert gitreg("resolve", "full@best").out == "full@1\n"


def test_list_of_models() -> None:
    by_name = {model["model"]: model for model in answer("list")}
    assert list(by_name) == ["churn", "full", "tokenizer"]
    churn = by_name["churn"]
    assert churn["latest"] == 3
    assert churn["stages"] == {"production": [2], "archived": [1]}
    assert churn["aliases"] == {"champion": 2}
    assert (by_name["full"]["owner"], by_name["full"]["description"]) == ("ada", "the model")
    assert by_name["tokenizer"] == {
        "model": "tokenizer",
        "latest": 1,
        "stages": {},
        "aliases": {},
        "description": None,
        "owner": None,
        "tags": {},
    }


def test_list_of_versions_is_what_show_gives_newest_first() -> None:
    listed = answer("list", "churn")
    assert [version["version"] for version in listed] == [3, 2, 1]
    assert listed == [shown(f"churn@{number}") for number in (3, 2, 1)]


def test_log_newest_first(full: Path) -> None:
    events = answer("log")
    commits = git(full, "log", "--first-parent", "--format=%H").splitlines()
    places = [commits.index(event["commit"]) for event in events]
    assert places == sorted(places)
    for event in events:
        assert list(event)[:10] == [
            "commit",
            "time",
            "author",
            "model",
            "action",
            "version",
            "pointer",
            "before",
            "after",
            "reason",
        ]
        stage = (event["pointer"] or "").startswith("stages/")
        alias = (event["pointer"] or "").startswith("aliases/")
        assert stage or alias or event["pointer"] is None
        for side in (event["before"], event["after"]):
            if stage:
                assert isinstance(side, list)
                assert all(type(number) is int for number in side)
            elif alias:
                assert side is None or type(side) is int
            else:
                assert side is None
    said = {
        (event["model"], event["action"], event["version"], event["reason"]) for event in events
    }
    assert ("full", "register", 1, "because") in said
    assert ("full", "annotate", None, None) in said


def test_log_of_a_stage_and_an_alias() -> None:
    newest = answer("log", "churn/production")[0]
    assert (newest["pointer"], newest["before"], newest["after"]) == ("stages/production", [1], [2])
    assert (newest["author"], newest["reason"]) == ("Ada Lovelace <ada@example.com>", None)
    only = answer("log", "churn@champion")
    assert [(event["pointer"], event["before"], event["after"]) for event in only] == [
        ("aliases/champion", None, 2)
    ]
    first = answer("log", "churn")[-1]
    assert (first["action"], first["version"], first["pointer"]) == ("register", 1, None)


def test_compare() -> None:
    found = answer("compare", "full@1", "churn@3")
    assert list(found) == [
        "a",
        "b",
        "metrics",
        "params",
        "data",
        "code",
        "environment",
        "signature",
        "evaluations",
        "measured_on",
        "code_files",
    ]
    assert (found["a"], found["b"]) == (shown("full@1"), shown("churn@3"))
    assert found["metrics"]["auc"] == {"a": 0.5, "b": 0.9, "delta": pytest.approx(0.4)}
    assert found["metrics"]["count"] == {"a": 3, "b": None, "delta": None}
    assert (found["evaluations"], found["measured_on"]) == ({}, "unknown")
    assert found["params"]["train.lr"] == {"a": 0.1, "b": None}
    assert list(found["data"]) == ["models/train.csv"]
    assert set(found["code"]) == {"commit"}
    assert found["environment"] == {}
    same = answer("compare", "full@1", "full@1")
    assert (same["params"], same["data"], same["code"]) == ({}, {}, {})


def test_pull_and_verify(full: Path) -> None:
    pulled = answer("pull", "full@best")
    assert set(pulled) == {"model", "version", "read_from", "path", "kind", "sha256"}
    assert pulled["kind"] == "file"
    assert Path(pulled["path"]).read_text() == "all"
    assert pulled["sha256"] == answer("show", "full@1")["artifact"]["sha256"]
    assert {(one["code"], one["severity"]) for one in answer("verify", "full")} == {("ok", "note")}


def test_an_error_is_json_too(full: Path) -> None:
    for words, code in ((("show", "nope@1"), 2), (("show",), 2), (("rollback", "tokenizer"), 1)):
        found = gitreg(*words, "--json", code=code)
        assert set(found.json) == {"error", "hint", "exit_code"}
        assert found.json["exit_code"] == code
        assert found.err.startswith(f"gitreg: {found.json['error']}")
    refused = gitreg(
        *("promote", "full@2", "--to", "staging", "--if-better", "auc", "--json"), code=1
    ).json
    assert (
        refused["error"]
        == refused["refused"]
        == "full@2 is not promoted to staging: " + (refused["verdicts"][0]["line"])
    )


def test_writes(full: Path) -> None:
    done = answer("promote", "full@2", "--to", "production", "--dry-run")
    assert done | {"message": ""} == {
        "commit": None,
        "subject": "promote full@2 to production",
        "message": "",
        "files": ["registry/full/stages/production.yaml"],
        "tags": ["full#production#4"],
        "pushed": False,
        "branch": None,
        "unshared": None,
        "operation": None,
        "repeated": False,
        "unchanged": False,
        "warnings": [],
        "verdicts": [],
    }
    assert "Gitreg-Action: promote\n" in done["message"]
    again = answer("promote", "full@1", "--to", "staging")
    assert (again["unchanged"], again["commit"], again["files"]) == (True, None, [])


def test_tags_and_doctor() -> None:
    report = answer("tags", "sync")
    assert set(report) == {"made", "kept", "wrong", "replaced", "foreign", "abandoned", "pushed"}
    assert "full@v1.0.0" in report["kept"]
    for finding in answer("doctor"):
        assert list(finding) == ["code", "severity", "subject", "message", "remedy"]
