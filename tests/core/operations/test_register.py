"""Register, annotate, alias, delete: the changes that they are, and what they refuse."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from ruamel.yaml import YAML

from gitreg.core.model import layout, manifest
from gitreg.core.model.model import Annotations, Artifact, Environment, Lineage
from gitreg.core.model.names import Reference, parse_reference
from gitreg.core.operations.alias import delete_alias, set_alias
from gitreg.core.operations.annotate import Annotation, annotate
from gitreg.core.operations.delete import delete
from gitreg.core.operations.register import Registration, register
from gitreg.core.policy import Policy, StageRule, write_policy
from gitreg.errors import InvalidDocument, InvalidRequest, NotFound, Refused
from tests.support.fakes import (
    ADA,
    CREATED,
    MD5,
    SHA256,
    FakeBranch,
    branch_with,
    registration,
    trailers,
)


def dvc_artifacts(branch: FakeBranch) -> object:
    content = branch.snapshot.read("dvc.yaml")
    return None if content is None else YAML(typ="safe", pure=True).load(content)["artifacts"]


# Register


def test_a_version_is_its_files() -> None:
    branch = FakeBranch()
    request = Registration(
        "churn",
        Artifact("model", 9, 2, SHA256, MD5 + ".dir"),
        CREATED,
        ADA,
        {"auc": 0.9, "n": 3},
        {"lr": 0.1},
        Lineage("models/churn"),
        Environment("3.11", "linux", "requirements.txt"),
        b"numpy==2.1.0\n",
        "the first",
        {"team": "growth"},
    )
    change = register(branch.state, request)
    branch.commit(change)
    folder = "registry/churn/versions/1"
    assert sorted(change.paths) == [
        "dvc.yaml",
        f"{folder}/annotations.yaml",
        f"{folder}/manifest.yaml",
        f"{folder}/model.dvc",
        f"{folder}/requirements.txt",
    ]
    version = branch.state.version("churn", 1)
    assert version.artifact == request.artifact
    assert (version.metrics, version.params) == ({"auc": 0.9, "n": 3}, {"lr": 0.1})
    digest = hashlib.sha256(b"numpy==2.1.0\n").hexdigest()
    assert version.environment == replace(request.environment, requirements_digest=digest)
    assert version.lineage == request.lineage
    assert (version.description, version.tags) == ("the first", {"team": "growth"})
    assert (version.created_at, version.created_by) == (CREATED, ADA)
    assert (version.stage, version.aliases) == (None, ())
    assert branch.state.requirements("churn", 1) == ["numpy==2.1.0"]
    assert dvc_artifacts(branch) == {"churn": {"path": f"{folder}/model", "type": "model"}}
    assert change.message() == (
        "register churn@1\n\n  auc 0.9\n  n 3\n\n"
        "Gitreg-Action: register\nGitreg-Model: churn\nGitreg-Version: 1\n"
    )


def test_versions_count_up_and_no_number_comes_twice() -> None:
    branch = branch_with({}, {}, {})
    branch.delete("churn@3")
    branch.delete("churn@1")
    branch.register()
    assert branch.state.versions("churn") == [2, 4]
    assert branch.state.numbers("churn") == [1, 2, 3, 4]
    assert dvc_artifacts(branch) == {
        "churn": {"path": "registry/churn/versions/4/model.pkl", "type": "model"}
    }


def test_a_registration_touches_no_other_version() -> None:
    branch = branch_with({}, {})
    change = register(branch.state, registration())
    assert all(
        path.startswith("registry/churn/versions/3/") or path == "dvc.yaml" for path in change.paths
    )


def test_dvc_yaml_is_the_users() -> None:
    branch = FakeBranch({"dvc.yaml": b"# mine\nstages: {}\n"})
    branch.register()
    content = branch.snapshot.read("dvc.yaml")
    assert content is not None
    assert content.startswith(b"# mine\nstages: {}\nartifacts:\n  churn:\n")


def test_dvc_yaml_that_cannot_be_edited_refuses_the_registration() -> None:
    branch = FakeBranch({"dvc.yaml": b"artifacts: {a: {path: x}}\n"})
    with pytest.raises(InvalidDocument, match=r"dvc\.yaml: artifacts: not in block style"):
        register(branch.state, registration())


def test_names_that_dvc_does_not_take_stay_out_of_its_file() -> None:
    branch = branch_with({}, model="two words")
    assert branch.state.model_names() == ["two words"]
    assert dvc_artifacts(branch) is None
    branch.delete("two words@1")
    assert dvc_artifacts(branch) is None


@pytest.mark.parametrize(
    ("first", "second"), [("prod", "Prod"), ("caf\u00e9", "cafe\u0301"), ("ﬁx", "fix")]
)
def test_a_name_that_differs_only_in_form(first: str, second: str) -> None:
    branch = branch_with({}, model=first)
    with pytest.raises(InvalidRequest, match="only by case or Unicode form") as caught:
        register(branch.state, registration(second))
    assert ascii(first) in (caught.value.hint or "")
    branch.register(first)
    assert branch.state.versions(first) == [1, 2]


@pytest.mark.parametrize("name", ["../x", "-x", "a@b", "a:b", ".git", "x\0", "\x1b[m", "x" * 300])
def test_bad_names(name: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be a model's name"):
        register(FakeBranch().state, registration(name))


@pytest.mark.parametrize("key", ["", " ", "x" * 251, "a\nb", "\x1b", "a\u202eb"])
def test_bad_tags(key: str) -> None:
    request = Registration("m", Artifact("model", 1, 1, SHA256, MD5), CREATED, ADA, tags={key: ""})
    with pytest.raises(InvalidRequest, match="cannot be a tag's key") as caught:
        register(FakeBranch().state, request)
    assert str(caught.value).isprintable()


def test_what_could_not_be_read_back_is_refused() -> None:
    for metrics in ({"auc": float("nan")}, {"auc": float("inf")}):
        with pytest.raises(InvalidRequest, match="is not a finite number"):
            register(FakeBranch().state, registration(metrics=metrics))


# Annotate


@pytest.fixture
def branch() -> FakeBranch:
    branch = branch_with({}, {})
    for reference in (Reference("churn"), Reference("churn", 1)):
        request = Annotation(reference, "old", tags={"a": "1", "b": "2"})
        branch.commit(annotate(branch.state, request))
    return branch


def test_annotations_of_a_version(branch: FakeBranch) -> None:
    request = Annotation(Reference("churn", 1), "new", tags={"b": "3", "c": "4"}, untag=("a",))
    change = annotate(branch.state, request)
    branch.commit(change)
    assert branch.state.annotations("churn", 1) == Annotations("new", None, {"b": "3", "c": "4"})
    assert change.paths == (layout.annotations_path("churn", 1),)
    assert change.subject == "annotate churn@1"
    assert trailers(change, "Version") == ["1"]
    assert branch.state.model_annotations("churn").description == "old"


def test_annotations_of_a_model(branch: FakeBranch) -> None:
    change = annotate(branch.state, Annotation(Reference("churn"), owner="growth"))
    branch.commit(change)
    said = branch.state.model_annotations("churn")
    assert said == Annotations("old", "growth", {"a": "1", "b": "2"})
    assert (change.subject, trailers(change, "Version")) == ("annotate churn", [])
    branch.commit(annotate(branch.state, Annotation(Reference("churn"), owner="", description="")))
    assert branch.state.model_annotations("churn") == Annotations(tags={"a": "1", "b": "2"})


def test_a_tag_that_is_removed_may_be_set_again(branch: FakeBranch) -> None:
    request = Annotation(Reference("churn", 1), tags={"a": "9"}, untag=("a",))
    branch.commit(annotate(branch.state, request))
    assert branch.state.annotations("churn", 1).tags == {"a": "9", "b": "2"}


def test_nothing_said_leaves_no_file(branch: FakeBranch) -> None:
    change = annotate(branch.state, Annotation(Reference("churn", 1), "", untag=("a", "b")))
    assert [edit.content for edit in change.edits] == [None]
    branch.commit(change)
    assert branch.state.annotations("churn", 1) == Annotations()


def test_what_is_said_already_changes_nothing(branch: FakeBranch) -> None:
    for request in (
        Annotation(Reference("churn", 1), "old", tags={"a": "1"}),
        Annotation(Reference("churn", 2), ""),
        Annotation(Reference("churn"), "old"),
    ):
        assert annotate(branch.state, request).edits == ()


def test_annotating_an_alias_annotates_its_version(branch: FakeBranch) -> None:
    branch.alias("churn@2", "champion")
    request = Annotation(parse_reference("churn@champion"), "the best")
    branch.commit(annotate(branch.state, request))
    assert branch.state.annotations("churn", 2).description == "the best"


def test_what_cannot_be_annotated(branch: FakeBranch) -> None:
    with pytest.raises(InvalidRequest, match="nothing to annotate: give"):
        annotate(branch.state, Annotation(Reference("churn", 1)))
    with pytest.raises(InvalidRequest, match="a version has no owner"):
        annotate(branch.state, Annotation(Reference("churn", 1), owner="o"))
    with pytest.raises(NotFound, match="churn@1 has no tag 'aa'") as caught:
        annotate(branch.state, Annotation(Reference("churn", 1), untag=("aa",)))
    assert caught.value.hint == "did you mean 'a'?"
    with pytest.raises(NotFound, match="no model 'nobody'"):
        annotate(branch.state, Annotation(Reference("nobody"), "d"))
    with pytest.raises(NotFound, match="no churn@9"):
        annotate(branch.state, Annotation(Reference("churn", 9), "d"))
    with pytest.raises(InvalidRequest, match="cannot be a tag's key"):
        annotate(branch.state, Annotation(Reference("churn", 1), tags={"": "x"}))
    with pytest.raises(InvalidRequest, match=r"'tags\.x': not Unicode text"):
        annotate(branch.state, Annotation(Reference("churn", 1), tags={"x": "\udcff"}))


# Alias


def test_an_alias_moves_freely_and_touches_no_stage(branch: FakeBranch) -> None:
    branch.promote("churn@1")
    change = branch.alias("churn/production", "champion")
    assert (change.subject, branch.names("champion")) == ("set churn@champion to churn@1", 1)
    assert trailers(change, "Replaces") == []
    change = branch.alias("churn@2", "champion")
    assert branch.names("champion") == 2
    assert change.paths == (layout.alias_path("churn", "champion"),)
    assert trailers(change, "Replaces") == ["1"]
    assert branch.holds("production") == (1,)
    assert set_alias(branch.state, Reference("churn", 2), "champion").edits == ()
    change = branch.unalias("churn", "champion")
    assert branch.names("champion") is None
    assert (change.subject, trailers(change, "Version")) == ("delete churn@champion", ["2"])


@pytest.mark.parametrize(
    ("alias", "message"),
    [
        ("../x", "'../x' cannot be an alias"),
        ("-x", "cannot be an alias"),
        ("a@b", "cannot be an alias"),
        ("5", "it looks like a version"),
        ("v2.0.0", "cannot be an alias"),
        ("latest", "'latest' always means the highest version"),
        ("canary", "the policy has a stage of that name"),
        ("CHAMPION", "alias 'CHAMPION' differs from 'champion' only by case or Unicode form"),
    ],
)
def test_aliases_that_are_refused(branch: FakeBranch, alias: str, message: str) -> None:
    branch.write({layout.POLICY: write_policy(Policy({"canary": StageRule()}))})
    branch.alias("churn@1", "champion")
    with pytest.raises(InvalidRequest) as caught:
        set_alias(branch.state, Reference("churn", 2), alias)
    assert message in str(caught.value)


def test_aliases_of_what_is_not_there(branch: FakeBranch) -> None:
    with pytest.raises(NotFound, match="no churn@9"):
        set_alias(branch.state, Reference("churn", 9), "champion")
    with pytest.raises(NotFound, match="'churn' has no alias 'champoin'") as caught:
        delete_alias(branch.state, "churn", "champoin")
    assert caught.value.hint == "it has none"
    branch.alias("churn@1", "champion")
    for alias, hint in (("champoin", "did you mean 'champion'?"), ("zzz", "it has champion")):
        with pytest.raises(NotFound) as caught:
            delete_alias(branch.state, "churn", alias)
        assert caught.value.hint == hint
    with pytest.raises(NotFound, match="no model 'nobody'"):
        delete_alias(branch.state, "nobody", "champion")


# Delete


def test_a_deleted_version_leaves_a_note() -> None:
    branch = branch_with({}, {}, {})
    branch.promote("churn@2", to="archived")
    kept = {
        path: data for path, data in branch.snapshot.files.items() if "/versions/2/" not in path
    }
    change = branch.delete("churn@2", "leaked data")
    inside = [path for path in branch.snapshot.files if "/versions/2/" in path]
    assert inside == [layout.tombstone_path("churn", 2)]
    data = branch.snapshot.files[inside[0]]
    assert manifest.read_tombstone(data, "d") == manifest.Tombstone(CREATED, ADA, "leaked data")
    assert branch.state.versions("churn") == [1, 3]
    assert branch.holds("archived") == ()
    assert change.subject == "delete churn@2"
    # The newest version is another one: dvc.yaml stays.
    assert {path: branch.snapshot.files.get(path) for path in kept} == {
        **kept,
        layout.stage_path("churn", "archived"): None,
    }


def test_deleting_the_newest_hands_dvc_yaml_on() -> None:
    branch = branch_with({}, {}, {})
    branch.register("other")
    branch.delete("churn@2")
    branch.delete("churn@3")
    other = {"path": "registry/other/versions/1/model.pkl", "type": "model"}
    assert dvc_artifacts(branch) == {
        "churn": {"path": "registry/churn/versions/1/model.pkl", "type": "model"},
        "other": other,
    }
    branch.delete("churn@1")
    assert dvc_artifacts(branch) == {"other": other}


def test_what_is_in_use_is_not_deleted() -> None:
    branch = branch_with({}, {})
    branch.promote("churn@1")
    branch.alias("churn@2", "champion")
    branch.alias("churn@2", "best")
    tombstone = manifest.Tombstone(CREATED, ADA)
    with pytest.raises(Refused, match="churn@1 is in production") as caught:
        delete(branch.state, Reference("churn", 1), tombstone)
    assert caught.value.hint == "gitreg archive churn@1, then delete it"
    with pytest.raises(Refused, match="churn@2 is named by @best, @champion") as caught:
        delete(branch.state, parse_reference("churn@champion"), tombstone)
    assert caught.value.hint == "gitreg alias delete churn@best"
    with pytest.raises(NotFound, match="no churn@9"):
        delete(branch.state, Reference("churn", 9), tombstone)
    branch.unalias("churn", "best")
    branch.unalias("churn", "champion")
    branch.delete("churn@2")
    with pytest.raises(NotFound, match="churn@2 was deleted by Ada"):
        delete(branch.state, Reference("churn", 2), tombstone)


def test_a_version_that_another_kept_pointing_at_dvc_yaml_is_not_needed() -> None:
    branch = branch_with({}, {})
    branch.write({"dvc.yaml": None})
    branch.delete("churn@1")
    assert dvc_artifacts(branch) is None
    branch.delete("churn@2")
    assert dvc_artifacts(branch) is None


# A caller of the Python API keeps no type


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tags": {"epochs": 10}}, "tags.epochs: expected text, found an integer"),
        ({"tags": {"epochs": None}}, "tags.epochs: expected text, found nothing"),
        ({"tags": {5: "x"}}, "a tag's key: expected text, found an integer"),
        ({"description": 5}, "description: expected text, found an integer"),
        ({"description": ["a"]}, "description: expected text, found a list"),
    ],
)
def test_what_is_no_text_is_refused(given: dict[str, Any], message: str) -> None:
    request = Registration("churn", Artifact("model", 1, 1, SHA256, MD5), CREATED, ADA, **given)
    with pytest.raises(InvalidRequest, match=f"^{message}$"):
        register(FakeBranch().state, request)
    branch = branch_with({})
    with pytest.raises(InvalidRequest, match=f"^{message}$"):
        annotate(branch.state, Annotation(Reference("churn", 1), **given))


def test_an_owner_that_is_no_text_is_refused() -> None:
    request = Annotation(Reference("churn"), owner=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match=r"^owner: expected text, found an integer$"):
        annotate(branch_with({}).state, request)


def test_a_tag_of_a_model_may_be_without_a_value() -> None:
    branch = branch_with({})
    branch.commit(annotate(branch.state, Annotation(parse_reference("churn"), tags={"a": None})))
    assert branch.state.model("churn").tags == {"a": None}
    version = parse_reference("churn@1")
    with pytest.raises(InvalidRequest, match=r"tags.a: expected text, found nothing"):
        annotate(branch.state, Annotation(version, tags={"a": None}))
