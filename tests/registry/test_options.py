"""The options that reads and writes share: taken by all of them, and mistyped by nobody."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from typing import Any

import pytest

from gitreg import InvalidRequest, Registry
from gitreg.registry.options import ReadOptions, WriteOptions, WriteSettings
from tests.support.commands import everything

READS = {
    "approvals",
    "compare",
    "given_approvals",
    "governed",
    "held",
    "log",
    "model",
    "models",
    "policy",
    "pull",
    "resolve",
    "sha256",
    "show",
    "state",
    "test_policy",
    "verify",
    "tenures",
    "versions",
}
WRITES = {
    "add_evaluations",
    "record_reproduction",
    "annotate",
    "approve",
    "archive",
    "create_model",
    "delete",
    "delete_alias",
    "delete_model",
    "promote",
    "register",
    "register_artifact",
    "rename_model",
    "render",
    "rollback",
    "set_alias",
    "withdraw_approval",
}


def _options_of(method: str) -> str | None:
    """Return the annotation of a method's ``**options``."""
    parameters = inspect.signature(getattr(Registry, method)).parameters.values()
    return next((str(p.annotation) for p in parameters if p.kind is p.VAR_KEYWORD), None)


def _call(registry: Registry, method: str, **options: Any) -> object:
    """Call a method with a reference, and with something for each parameter that it requires."""
    call = getattr(registry, method)
    required = [
        p
        for p in inspect.signature(call).parameters.values()
        if p.name == "reference"
        or (p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL))
    ]
    by_place: list[Any] = ["churn@1" for p in required if p.kind is not p.KEYWORD_ONLY]
    by_name: dict[str, Any] = {p.name: "staging" for p in required if p.kind is p.KEYWORD_ONLY}
    return call(*by_place, **by_name, **options)


def test_which_methods_share_them() -> None:
    methods = [name for name in dir(Registry) if callable(getattr(Registry, name))]
    public = {name: _options_of(name) for name in methods if not name.startswith("_")}
    taking = {name: said for name, said in public.items() if said is not None}
    assert taking == {
        **dict.fromkeys(READS, "Unpack[ReadOptions]"),
        **dict.fromkeys(WRITES, "Unpack[WriteOptions]"),
    }


def test_the_type_and_the_settings_name_the_same() -> None:
    assert list(WriteOptions.__annotations__) == list(WriteSettings.__annotations__)
    assert list(ReadOptions.__annotations__) == ["rev", "at"]


@pytest.mark.parametrize("method", sorted(READS | WRITES))
def test_an_unknown_option_is_refused(method: str, stocked: Path) -> None:
    mistyped, meant = ("revv", "rev") if method in READS else ("dry_rum", "dry_run")
    before = everything(stocked)
    with Registry(stocked) as registry, pytest.raises(TypeError) as caught:
        _call(registry, method, **{mistyped: "x"})
    assert str(caught.value) == (
        f"unexpected keyword argument '{mistyped}': did you mean '{meant}'?"
    )
    assert everything(stocked) == before


def _keywords(method: str) -> set[str]:
    """Return what a method can be called with by name."""
    shared = set(ReadOptions.__annotations__ if method in READS else WriteOptions.__annotations__)
    signature = inspect.signature(getattr(Registry, method))
    return shared | {p.name for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD}


@pytest.mark.parametrize("method", sorted(READS | WRITES))
def test_the_keywords_of_other_methods_are_refused(method: str, stocked: Path) -> None:
    others = set[str]().union(*map(_keywords, READS | WRITES)) - _keywords(method) - {"self"}
    before = everything(stocked)
    with Registry(stocked) as registry:
        for keyword in sorted(others | {"bogus"}):
            with pytest.raises(TypeError, match="unexpected keyword argument"):
                _call(registry, method, **{keyword: "x"})
    assert everything(stocked) == before


@pytest.mark.parametrize("method", ["resolve", "models"])
def test_a_commit_and_a_moment_are_refused_together(method: str, stocked: Path) -> None:
    with Registry(stocked) as registry, pytest.raises(InvalidRequest, match="--rev or --at"):
        _call(registry, method, rev="HEAD", at="1 day ago")


@pytest.mark.parametrize("method", sorted(WRITES))
def test_a_review_and_a_push_are_refused_together(method: str, stocked: Path) -> None:
    with Registry(stocked) as registry, pytest.raises(InvalidRequest, match="give one of them"):
        _call(registry, method, push=True, pr=True)


def test_the_second_commit_of_an_operation_has_an_id_that_follows() -> None:
    once, again = (WriteSettings(op_id="nightly-1").followed_by("archive") for _ in range(2))
    assert once == again
    assert str(once.op_id).startswith("archive-")
    assert once.op_id != WriteSettings(op_id="nightly-2").followed_by("archive").op_id
    assert WriteSettings(reason="why").followed_by("archive") == WriteSettings(reason="why")


def test_the_class_can_be_pickled_by_name() -> None:
    assert pickle.loads(pickle.dumps(Registry)) is Registry
    assert Registry.__module__ == "gitreg.registry.facade"
    assert Registry.__qualname__ == "Registry"
