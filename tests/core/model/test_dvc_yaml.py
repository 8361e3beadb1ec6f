"""``dvc.yaml``: the one entry changes its meaning as asked, every other byte stays."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitreg.core.model.dvc_yaml import is_others, rename_artifact, set_artifact
from gitreg.errors import InvalidDocument

NEW = "registry/churn/versions/2/model"
ENTRY = {"path": NEW, "type": "model"}

PIPELINE = b"""\
# our pipeline
stages:
  train:   # the only one
    cmd: python train.py
    deps: [data/train.csv,   src]

# what the others read
artifacts:   # by gitreg
    churn:  # ours
        type: model
        path: models/old   # do not move
        desc: "path: none"
        meta:
            path: somewhere/else

        labels:
        - a
    # between
    "tokenizer":
        path: 'models/tok'

plots:
- auc.csv
"""


def load(content: bytes, version: tuple[int, int] = (1, 2)) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    return yaml.load(io.BytesIO(content))


def artifacts(content: bytes) -> Any:
    return load(content)["artifacts"]


def test_a_path_is_replaced_and_nothing_else() -> None:
    found = set_artifact(PIPELINE, "churn", NEW)
    assert found == PIPELINE.replace(b"models/old", NEW.encode())
    assert artifacts(found)["churn"]["path"] == NEW
    assert artifacts(found)["churn"]["meta"]["path"] == "somewhere/else"


def test_a_quoted_entry_is_found() -> None:
    found = set_artifact(PIPELINE, "tokenizer", NEW)
    assert found == PIPELINE.replace(b"'models/tok'", NEW.encode())
    assert artifacts(found)["tokenizer"] == {"path": NEW}


def test_a_new_entry_has_the_indentation_of_the_others() -> None:
    found = set_artifact(PIPELINE, "other", NEW)
    lines = f"    other:\n        path: {NEW}\n        type: model\n"
    before, after = PIPELINE.split(b"'models/tok'\n")
    assert found == before + b"'models/tok'\n" + lines.encode() + after
    expected = load(PIPELINE)
    expected["artifacts"]["other"] = ENTRY
    assert load(found) == expected


def test_an_entry_is_removed_with_its_lines_alone() -> None:
    found = set_artifact(PIPELINE, "churn", None)
    start, end = PIPELINE.index(b"    churn:"), PIPELINE.index(b"    # between")
    assert found == PIPELINE[:start] + PIPELINE[end:]
    assert artifacts(found) == {"tokenizer": {"path": "models/tok"}}
    both = set_artifact(found, "tokenizer", None)
    assert artifacts(both) == {}
    assert b"artifacts: {}   # by gitreg\n" in both
    assert b"    # between\n" in both
    assert load(both)["stages"] == load(PIPELINE)["stages"]
    assert load(both)["plots"] == ["auc.csv"]


def test_what_is_not_there_need_not_be_removed() -> None:
    for content in (
        PIPELINE,
        b"",
        b"stages: {}",
        b"artifacts: {}",
        b"artifacts: {}  # x\nb: 1",
        b"{stages: {}}\n",
    ):
        assert set_artifact(content, "nobody", None) == content


def test_setting_what_is_so_changes_nothing() -> None:
    once = set_artifact(PIPELINE, "churn", NEW)
    assert set_artifact(once, "churn", NEW) == once


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"artifacts:\n"),
        (b"# mine\n", b"# mine\nartifacts:\n"),
        (b"---\nstages: {}\n", b"---\nstages: {}\nartifacts:\n"),
        (b"stages: {}", b"stages: {}\nartifacts:\n"),
        (b"stages: {}\n\n", b"stages: {}\n\nartifacts:\n"),
        (b"artifacts: {}\n", b"artifacts:\n"),
        (b"artifacts: { }  # none\n", b"artifacts:  # none\n"),
        (b"artifacts: {}", b"artifacts:\n"),
        (b"artifacts:\n", b"artifacts:\n"),
        (b"artifacts:", b"artifacts:\n"),
        (b"'artifacts' :\n", b"'artifacts' :\n"),
        (b'"artifacts": {}\n', b'"artifacts":\n'),
    ],
)
def test_the_first_entry(before: bytes, after: bytes) -> None:
    found = set_artifact(before, "churn", NEW)
    assert found == after + f"  churn:\n    path: {NEW}\n    type: model\n".encode()
    assert artifacts(found) == {"churn": ENTRY}
    again = set_artifact(found, "churn", None)
    assert artifacts(again) == {}


def test_the_section_may_be_followed_by_others() -> None:
    before = b"artifacts: {}\n# about b\nb: 1\n"
    found = set_artifact(before, "churn", NEW)
    assert load(found) == {"artifacts": {"churn": ENTRY}, "b": 1}
    assert found.endswith(b"    type: model\n# about b\nb: 1\n")
    assert load(set_artifact(found, "churn", None)) == {"artifacts": {}, "b": 1}


def test_comments_in_the_section_stay_before_a_new_entry() -> None:
    before = b"artifacts:\n  a:\n    path: x\n  # the end\n\n# next\nb: 1\n"
    found = set_artifact(before, "churn", NEW)
    assert artifacts(found) == {"a": {"path": "x"}, "churn": ENTRY}
    assert found.startswith(b"artifacts:\n  a:\n    path: x\n  # the end\n  churn:\n")
    assert found.endswith(b"    type: model\n\n# next\nb: 1\n")


def test_line_ends_of_windows_are_kept() -> None:
    content = PIPELINE.replace(b"\n", b"\r\n")
    for name, path in (("churn", NEW), ("other", NEW), ("churn", None), ("tokenizer", None)):
        expected = set_artifact(PIPELINE, name, path).replace(b"\n", b"\r\n")
        assert set_artifact(content, name, path) == expected
    assert set_artifact(b"a: 1\r\nb: 2", "churn", NEW).startswith(b"a: 1\r\nb: 2\r\nartifacts:\r\n")


def test_mixed_line_ends_are_kept() -> None:
    content = b"a: 1\r\nartifacts:\n  churn:\n    path: x\r\n    type: model\nb: 2\r\n"
    assert set_artifact(content, "churn", NEW) == content.replace(b"x\r", NEW.encode() + b"\r")
    found = set_artifact(content, "other", NEW)
    assert load(found) == {
        "a": 1,
        "artifacts": {"churn": {"path": "x", "type": "model"}, "other": ENTRY},
        "b": 2,
    }


@pytest.mark.parametrize(
    "name",
    [
        "5",
        "2026-11-22",
        "1e5",
        "0x1F",
        "0o7",
        "1_000",
        "null",
        "true",
        "False",
        "yes",
        "NO",
        "on",
        "off",
        "y",
        "N",
        "3d",
        "12-34",
        "1-30",
    ],
)
@pytest.mark.parametrize("version", [(1, 1), (1, 2)])
def test_names_that_look_like_something_else(name: str, version: tuple[int, int]) -> None:
    found = set_artifact(b"", name, NEW)
    assert load(found, version) == {"artifacts": {name: ENTRY}}
    assert load(set_artifact(found, name, "x"), version)["artifacts"][name]["path"] == "x"
    assert load(set_artifact(found, name, None), version) == {"artifacts": {}}


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"artifacts: {churn: {path: x}}\n", "artifacts"),
        (b"artifacts:\n  {churn: {path: x}}\n", "artifacts"),
        (b"artifacts: &all\n  churn:\n    path: x\n", "artifacts"),
        (b"artifacts: null\n", "artifacts"),
        (b"artifacts:\n  churn: {path: x, type: model}\n", "artifacts.churn"),
        (b"artifacts:\n  ? churn\n  : path: x\n", "artifacts"),
        (b"artifacts:\n    a:\n        path: x\n  b:\n", "artifacts"),
        (b"{stages: {}}\n", "the top level"),
        (b"  stages: {}\n", "the top level"),
        (b"stages: {}\n...\n", "the top level"),
    ],
)
def test_what_is_not_in_block_style_is_refused(content: bytes, where: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        set_artifact(content, "churn", NEW)
    assert str(caught.value) == f"dvc.yaml: {where}: not in block style, gitreg cannot edit it"
    assert caught.value.hint == "write each artifact on lines of its own"


def test_others_may_be_in_flow_style() -> None:
    before = b"artifacts:\n  a: {path: x}\n  'b': {path: y}\n"
    found = set_artifact(before, "churn", NEW)
    assert artifacts(found) == {"a": {"path": "x"}, "b": {"path": "y"}, "churn": ENTRY}
    assert found.startswith(before)


@pytest.mark.parametrize(
    "content",
    [
        b"artifacts:\n  churn:\n    type: model\n",
        b"artifacts:\n  churn:\n",
        b"artifacts:\n  churn:\n    meta:\n      path: x\n",
        b"artifacts:\n  churn:\n    path: >-\n      x\n    type: model\n",
        b"artifacts:\n  churn:\n    path:\n      x\n",
        b"artifacts:\n  churn:\n    {path: x}\n",
    ],
)
def test_an_entry_without_a_path_on_a_line(content: bytes) -> None:
    with pytest.raises(InvalidDocument) as caught:
        set_artifact(content, "churn", NEW)
    assert str(caught.value) == "dvc.yaml: artifacts.churn: has no path on a line of its own"


def test_text_that_is_not_utf_8() -> None:
    with pytest.raises(InvalidDocument, match=r"dvc\.yaml: not UTF-8 text"):
        set_artifact(b"\xff", "churn", NEW)


NAMES = st.sampled_from(["a", "b-1", "C_d", "5", "null", "x/y"])
STEPS = st.lists(st.tuples(NAMES, st.none() | st.sampled_from(["p1", "p2"])), max_size=12)


@settings(max_examples=50, deadline=None)
@given(STEPS, st.sampled_from([b"", PIPELINE, b"artifacts: {}  # ours\nb: 1", b"a: 1\r\n"]))
def test_any_sequence_of_edits_means_what_was_asked(
    steps: list[tuple[str, str | None]], content: bytes
) -> None:
    expected = load(content) or {}
    for name, path in steps:
        content = set_artifact(content, name, path)
        if path is not None:
            entry = expected.setdefault("artifacts", {}).setdefault(name, {"type": "model"})
            entry["path"] = path
        else:
            expected.get("artifacts", {}).pop(name, None)
        assert (load(content) or {}) == expected


USERS = b"""\
artifacts:
  churn: &base  # annotated by hand
    path: models/churn.pkl
    desc: Predicts churn
    type: model
    labels: [tabular]
  flow: {path: models/flow.pkl, desc: in one line}
  templated:
    path: ${model.path}
  like-churn:
    <<: *base
    path: models/other.pkl
  mine: &mine
    desc: Ours, and annotated
    path: registry/mine/versions/1/model.pkl  # the newest
    labels:
    - nlp
"""


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("churn", True),
        ("flow", True),
        ("templated", True),
        ("like-churn", True),
        ("mine", False),
        ("absent", False),
    ],
)
def test_whose_an_entry_is(name: str, answer: bool) -> None:
    assert is_others(USERS, name) is answer
    assert is_others(b"stages: {}\n", name) is False
    assert is_others(USERS.replace(b"registry/mine/", b"registry/other/"), "mine") is True


def test_what_stands_beside_the_path_stays() -> None:
    newer = set_artifact(USERS, "mine", "registry/mine/versions/2/model.pkl")
    assert newer == USERS.replace(b"mine/versions/1", b"mine/versions/2")
    renamed = rename_artifact(newer, "mine", "ours", "registry/ours/versions/2/model.pkl")
    assert renamed == newer.replace(b"  mine:", b"  ours:").replace(b"try/mine/", b"try/ours/")
    added = rename_artifact(b"", "absent", "churn", NEW)
    assert artifacts(added) == {"churn": ENTRY}
