"""Commits by hand and hostile ones: which are operations, and what done again does with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitreg.core.model import layout
from gitreg.core.operations.promote import promote
from gitreg.core.operations.reapply import redoes_everything
from gitreg.core.operations.recorded import Recorded
from gitreg.core.state.change import Edit
from gitreg.core.state.history import FileChange
from gitreg.errors import GitregError, InvalidDocument
from tests.core.operations.rebase import Rebase, again, base, fork, recorded
from tests.support.fakes import promotion

# Commits by hand


def test_a_commit_by_hand_of_pointers_is_an_operation() -> None:
    ours = base()
    theirs = fork(ours)
    files = {
        layout.stage_path("churn", "production"): b"versions: [3]\n",
        layout.stage_path("churn", "staging"): None,
    }
    ours.write(files, "hand over\n\nWe agreed.")
    done = recorded(ours)
    assert done.is_operation
    assert Rebase(theirs).one(done) == "hand over"
    assert theirs.holds("production") == (3,)
    assert theirs.commits[-1][0].message == "hand over\n\nWe agreed.\n"


V4 = "registry/churn/versions/4"


@pytest.mark.parametrize(
    "files",
    [
        {"train.py": b"pass\n"},
        {layout.POLICY: b"format: 1\n"},
        {layout.stage_path("churn", "staging"): None, "train.py": b"pass\n"},
        {"registry/churn/versions/2/requirements.txt": b"x\n"},
        {"registry/churn/versions/2/manifest.yaml": b"x: 1\n"},
        {"registry/churn/versions/2/manifest.yaml": None},
        {"registry/churn/notes.txt": b"x"},
        {"dvc.yaml": b"stages: {}\n"},
        {f"{V4}/manifest.yaml": b"x", f"{V4}/NOTES.md": b"mine"},
        {f"{V4}/manifest.yaml": b"x", f"{V4}/deleted.yaml": b"x"},
        {"registry/churn/versions/2/deleted.yaml": b"x", f"{V4}/approvals/a.sig": b"x"},
    ],
    ids=lambda files: "+".join(path.rpartition("/")[2] for path in files),
)
def test_what_is_no_operation(files: dict[str, bytes | None]) -> None:
    branch = base()
    branch.write(files)
    assert not recorded(branch).is_operation


def test_a_registration_with_more_in_dvc_yaml_is_not_told_in_full() -> None:
    """A squash of a registration and of the user's own stage in ``dvc.yaml``."""
    ours = base()
    start, parent = ours.snapshot, ours.state
    ours.register()
    plain = ours.squashed(start, "squash")
    assert redoes_everything(parent, recorded(plain))
    ours.write({"dvc.yaml": (ours.snapshot.read("dvc.yaml") or b"") + b"stages: {}\n"})
    more = ours.squashed(start, "squash")
    assert recorded(more).is_operation
    assert not redoes_everything(parent, recorded(more))
    ours.promote("churn@3")
    assert redoes_everything(parent, recorded(ours))  # does not touch it


def test_a_revert_says_what_it_reverts() -> None:
    ours = base()
    theirs = fork(ours)
    ours.promote("churn@3")
    ours.git_revert(ours.tip)
    done = Rebase(theirs)
    done.one(recorded(ours, -2))
    change, _ = again(theirs, recorded(ours), done.numbers, done.highest)
    assert change.reverts == ours.commits[-2][0].oid
    assert change.subject == 'Revert "promote churn@3 to production"'
    assert f"This reverts commit {change.reverts}." in change.message()
    theirs.commit(change)
    assert theirs.holds("production") == (2,)


def test_reason_and_operation_id_go_along() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register()
    change = promote(ours.state, promotion("churn@3"), ours.mover)
    told = replace(change, reason="Better.\n\nMuch better.").with_trailer("Gitreg-Op", "abc-1")
    ours.commit(told)
    Rebase(theirs).one(recorded(ours))
    assert theirs.commits[-1][0].message == told.message()


# Hostile content


HOSTILE = [
    b"",
    b"\xff\xfe",
    b"versions: {",
    b"version: &a 1",
    b"versions: [1, 1]\n",
    b"versions: [-1]\n",
    b"versions: [99999999999999999999]\n",
    b"version: true\n",
    b"version: .nan\n",
    b"a: 1\na: 2\n",
    b"[" * 5000,
    b"x: " + b"y" * 70000,
    b"!!python/object:os.system x\n",
    b"versions: [" + b"1," * 3000 + b"]\n",
    b"version: 1e999\n",
    b"\0",
    b"? [a]\n: b\n",
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize(
    "path",
    [
        layout.stage_path("churn", "production"),
        layout.alias_path("churn", "champion"),
        f"{V4}/manifest.yaml",
        "registry/churn/model.yaml",
        "registry/churn/versions/2/annotations.yaml",
        "registry/churn/versions/1/deleted.yaml",
    ],
    ids=lambda path: path.rpartition("/")[2],
)
def test_hostile_content_is_one_clear_error(path: str, content: bytes) -> None:
    branch = base()
    theirs = fork(branch)
    done = Recorded("0" * 40, "by hand", (FileChange(path, branch.snapshot.read(path), content),))
    assert done.is_operation or not content  # an empty file is none that an operation writes
    if done.is_operation:
        with pytest.raises(GitregError):
            Rebase(theirs).one(done)
    assert redoes_everything(branch.state, done)  # it does not touch what is the user's


@pytest.mark.parametrize("number", ["²", "٣", "0", "-1", "9" * 5000, "1_0", " 4", ""])
def test_hostile_trailers_are_words(number: str) -> None:
    branch = base()
    theirs = fork(branch)
    message = f"x\n\nGitreg-Model: churn\nGitreg-Version: {number}\nGitreg-Replaces: {number}\n"
    branch.by_hand(message, [Edit(layout.alias_path("churn", "a"), b"version: 1\n")])
    assert Rebase(theirs).one(recorded(branch)) == "x"


@pytest.mark.parametrize("message", ["", "\n", "churn@4\n\n\n\n", "a\nb\n\nc", "\N{BOM}x"])
def test_any_message(message: str) -> None:
    branch = base()
    theirs = fork(branch)
    branch.by_hand(message, [Edit(layout.alias_path("churn", "a"), b"version: 1\n")])
    Rebase(theirs).one(recorded(branch))
    assert theirs.names("a") == 1


def test_a_broken_document_beside_a_registration() -> None:
    branch = base()
    theirs = fork(branch)
    branch.register()
    good = recorded(branch)
    assert [file.path for _, file in good.places] == [f"{V4}/manifest.yaml", f"{V4}/model.pkl.dvc"]
    for _, spoiled in good.places:
        files = [
            FileChange(f.path, f.before, b"{" if f is spoiled else f.after) for f in good.files
        ]
        broken = Recorded(good.commit, good.message, tuple(files))
        assert broken.is_operation
        with pytest.raises(InvalidDocument):
            Rebase(theirs).one(broken)
