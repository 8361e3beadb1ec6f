"""Rendered files: where they may be, and what they say."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from gitreg.core.policy import policy_document, read_policy, write_policy
from gitreg.core.policy.renders import (
    FORMS,
    Form,
    Held,
    Render,
    check_target,
    clash,
    commit_in,
    followed_by,
)
from gitreg.errors import InvalidDocument, InvalidRequest

HELD = Held("churn", "production", 5, "12" * 32, "34" * 20)
SCHEMA = Path(__file__).parents[3] / "gitreg/core/documents/schemas/policy.schema.json"

GOOD = [
    ("deploy/{model}/{stage}/model.env", "env"),
    ("charts/{model}/values-model.yaml", "values"),
    ("charts/{model}-{stage}.yml", "values"),
    ("deploy/{model}/{stage}/kustomization.yaml", "kustomize"),
]

BAD = [
    ("/etc/{model}.env", "env"),
    ("deploy/../{model}.env", "env"),
    ("deploy/./{model}.env", "env"),
    ("deploy//{model}.env", "env"),
    ("deploy\\{model}\\x.env", "env"),
    ("{model}.env", "env"),  # not in a folder
    ("deploy/model.env", "env"),  # of no model alone
    ("deploy/{model}/.env", "env"),
    ("registry/{model}/x.yaml", "values"),
    ("Registry/{model}/x.yaml", "values"),
    (".git/{model}.env", "env"),
    (".GIT/{model}.env", "env"),
    ("git~1/{model}.env", "env"),
    (".github/workflows/{model}.yaml", "values"),
    (".gitlab/{model}.yaml", "values"),
    (".dvc/{model}.yaml", "values"),
    ("a/{model}/dvc.yaml", "values"),
    ("deploy/{model}/x.py", "env"),
    ("deploy/{model}/x.env", "values"),
    ("deploy/{model}/x.yaml", "kustomize"),
    ("deploy/{model}/{version}.env", "env"),
    ("deploy/{model}/{stage.name}.env", "env"),
    ("deploy/{{model}}/x.env", "env"),
    ("deploy/{model}/a b.env", "env"),
    ("deploy/{model}/x.env\n", "env"),
    ("deploy/{model}./x.env", "env"),
    ("deploy/{model}/$(id).env", "env"),
    ("deploy/" + "a" * 200 + "/{model}.env", "env"),
]


def document(*renders: tuple[str, str]) -> bytes:
    entries = [{"to": to, "as": form} for to, form in renders]
    stages = {"production": {"holds": 1, "renders": entries}}
    return str(yaml.safe_dump({"format": 1, "stages": stages})).encode()


def test_a_policy_says_what_a_stage_renders() -> None:
    policy = read_policy(document(*GOOD), "policy.yaml")
    assert [(one.to, one.form) for one in policy.stage("production").renders] == GOOD
    assert read_policy(write_policy(policy), "policy.yaml") == policy
    jsonschema.validate(policy_document(policy), json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize(("to", "form"), BAD)
def test_a_path_that_is_not_for_rendered_files_is_refused(to: str, form: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be rendered"):
        check_target(to, form)
    with pytest.raises(InvalidDocument, match=r"production\.renders\[1\]\.to"):
        read_policy(document((to, form)), "policy.yaml")


@pytest.mark.parametrize(
    "renders",
    [
        [("a/{model}/x.env", "env"), ("a/{model}/X.env", "env")],
        [("a/{model}/x.env", "env"), ("a/{model}/x.env/y.env", "env")],
        [("a/{model}/x.env/y.env", "env"), ("a/{model}/x.env", "env")],
    ],
)
def test_two_rules_for_one_file_are_refused(renders: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidDocument, match="is one file with"):
        read_policy(document(*renders), "policy.yaml")


def test_two_stages_with_one_file_are_refused() -> None:
    entry = "{renders: [{to: 'a/{model}/x.env', as: env}]}"
    text = f"format: 1\nstages: {{a: {entry}, b: {entry}}}\n"
    with pytest.raises(InvalidDocument, match=r"b\.renders") as refused:
        read_policy(text.encode(), "policy.yaml")
    assert "{stage}" in str(refused.value.hint)


def test_an_unknown_form_or_key_is_refused() -> None:
    with pytest.raises(InvalidDocument, match="env, values or kustomize"):
        read_policy(document(("a/{model}/x.env", "jinja")), "policy.yaml")
    with pytest.raises(InvalidDocument, match="template: unknown key"):
        read_policy(
            b"format: 1\nstages: {a: {renders: [{to: 'a/{model}/x.env', template: x}]}}\n", "p"
        )


@pytest.mark.parametrize("form", FORMS)
def test_a_file_says_what_is_held(form: Form) -> None:
    data = Render("a/{model}/x", form).content(HELD)
    assert followed_by(data) == "registry/churn/stages/production.yaml"
    assert commit_in(data) == HELD.commit
    for value in ("churn", "production", "5", HELD.sha256, "models:/churn/5"):
        assert value in data.decode()


def test_a_digest_of_digits_stays_a_text() -> None:
    held = Held("churn", "production", 5, "0" * 64, "1" * 40)
    values = yaml.safe_load(Render("a/{model}/x.yaml", "values").content(held))
    assert (values["model"]["sha256"], values["model"]["commit"]) == ("0" * 64, "1" * 40)
    assert commit_in(Render("a/{model}/x.yaml", "values").content(held)) == "1" * 40


def test_a_form_that_cannot_hold_a_name_says_so() -> None:
    with pytest.raises(InvalidRequest, match="use 'as: values'"):
        Render("deploy/{model}/x.env", "env").checked_path("Größe 2", "production")
    path = Render("deploy/{model}/x.yaml", "values").checked_path("Größe 2", "production")
    assert path == "deploy/Gr%C3%B6%C3%9Fe%202/x.yaml"
    with pytest.raises(InvalidRequest, match="not for rendered files"):
        Render("{model}/x.env", "env").checked_path("registry", "production")


def test_files_of_others_are_not_taken_for_rendered_ones() -> None:
    assert followed_by(None) is None
    assert followed_by(b"") is None
    assert followed_by(b"# Rendered by gitreg from /etc/passwd: promote or roll back") is None
    assert followed_by(b"\xff\xfe\n") is None


def test_paths_that_are_one_file_clash() -> None:
    found = list(clash([("a/b.env", "x"), ("A/B.env", "y"), ("a/b.env/c", "z"), ("d/e", "w")]))
    assert found == [("A/B.env", "y", "x"), ("a/b.env/c", "z", "x")]
