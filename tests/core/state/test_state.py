"""The state of a registry at a commit: what it answers, and how it says no."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gitreg.core.model import layout
from gitreg.core.model.names import parse_reference
from gitreg.core.policy import DEFAULT, Policy, StageRule, write_policy
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidDocument, NotFound
from tests.support.fakes import ADA, CREATED, DictSnapshot, FakeBranch, branch_with


@pytest.fixture
def branch() -> FakeBranch:
    """Churn with versions 1 to 5 (3 deleted) and a tokenizer."""
    branch = branch_with({"auc": 0.8}, {"auc": 0.9}, {}, {"auc": 0.7}, {})
    branch.register("tokenizer")
    branch.delete("churn@3", "trained on the test set")
    branch.promote("churn@1", "churn@4", to="staging")
    branch.promote("churn@2", aliases=("champion",))
    return branch


def resolved(branch: FakeBranch, text: str) -> int:
    return branch.state.resolve(parse_reference(text))


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("churn@1", 1),
        ("churn@champion", 2),
        ("churn/production", 2),
        ("churn/staging", 4),
        ("churn@latest", 5),
        ("churn/none", 5),
        ("models:/churn/Production", 2),
        ("tokenizer@latest", 1),
    ],
)
def test_references_resolve(branch: FakeBranch, text: str, version: int) -> None:
    assert resolved(branch, text) == version


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("chrun@1", "no model 'chrun'", "did you mean 'churn'?"),
        ("chrun@champion", "no model 'chrun'", "did you mean 'churn'?"),
        ("chrun/production", "no model 'chrun'", "did you mean 'churn'?"),
        ("chrun@latest", "no model 'chrun'", "did you mean 'churn'?"),
        ("chrun", "no model 'chrun'", "did you mean 'churn'?"),
        ("zzz@1", "no model 'zzz'", "gitreg list shows what there is"),
        ("churn@9", "no churn@9: churn has versions 1 to 5", None),
        ("churn@3", f"churn@3 was deleted by {ADA} at {CREATED}: trained on the test set", None),
        ("churn@champoin", "'churn' has no alias 'champoin'", "did you mean 'champion'?"),
        ("churn@zzz", "'churn' has no alias 'zzz'", "it has champion"),
        ("tokenizer@zzz", "'tokenizer' has no alias 'zzz'", "it has none"),
        ("churn/prodction", "no stage 'prodction'", "did you mean 'production'?"),
        ("churn/archived", "'churn' has no version in stage 'archived'", None),
        ("churn/champion", "'champion' is an alias of churn", "churn@champion"),
        (
            "churn",
            "'churn' is a model: which version of it?",
            "churn@latest is the newest; to choose one: gitreg list churn",
        ),
    ],
)
def test_what_is_not_there(branch: FakeBranch, text: str, message: str, hint: str | None) -> None:
    with pytest.raises(NotFound) as caught:
        resolved(branch, text)
    assert str(caught.value).startswith(message)
    assert (caught.value.hint or "").startswith(hint or "")
    assert hint is not None or caught.value.hint is None


def test_an_alias_that_is_a_stage_of_the_policy() -> None:
    branch = branch_with({})
    branch.write({layout.POLICY: write_policy(Policy({"canary": StageRule()}))})
    with pytest.raises(NotFound) as caught:
        resolved(branch, "churn@canary")
    assert caught.value.hint == "canary is a stage: churn/canary"
    with pytest.raises(NotFound) as caught:
        resolved(branch, "churn@None")
    assert caught.value.hint == "none is a stage: churn/none"


def test_no_version_is_left() -> None:
    branch = branch_with({})
    branch.delete("churn@1")
    with pytest.raises(NotFound, match="churn has no version left: all were deleted"):
        resolved(branch, "churn@latest")
    with pytest.raises(NotFound, match="no churn@2: churn has no versions"):
        resolved(branch, "churn@2")
    with pytest.raises(
        NotFound, match=r"churn@1 was deleted by Ada Lovelace .* at 2026-11-22T.{9}$"
    ):
        resolved(branch, "churn@1")
    with pytest.raises(NotFound, match="'churn' has no version in stage 'none'"):
        resolved(branch, "churn/none")
    assert branch.state.model("churn").latest is None


@pytest.mark.parametrize("text", ["churn@champion", "churn/production"])
def test_a_pointer_to_nothing_is_a_fault_of_the_registry(branch: FakeBranch, text: str) -> None:
    branch.write(
        {
            layout.alias_path("churn", "champion"): b"version: 99\n",
            layout.stage_path("churn", "production"): b"versions:\n- 99\n",
        }
    )
    with pytest.raises(InvalidDocument, match=f"{text} points at churn@99, which is not there"):
        resolved(branch, text)


def test_an_empty_registry() -> None:
    empty = RegistryState(DictSnapshot())
    assert not empty.exists()
    assert empty.commit is None
    assert empty.policy == DEFAULT
    assert list(empty.models()) == []
    with pytest.raises(NotFound) as caught:
        empty.check_model("churn")
    assert str(caught.value.hint).startswith("the registry is empty: gitreg register --help")
    assert RegistryState(DictSnapshot({layout.POLICY: b""})).exists()


def test_models_and_numbers(branch: FakeBranch) -> None:
    state = branch.state
    assert state.model_names() == ["churn", "tokenizer"]
    assert state.numbers("churn") == [1, 2, 3, 4, 5]
    assert state.versions("churn") == [1, 2, 4, 5]
    assert state.latest("churn") == 5
    assert state.numbers("nobody") == []
    assert state.stages("churn") == {"production": (2,), "staging": (1, 4)}
    assert [state.stage_of("churn", n) for n in (1, 2, 5)] == ["staging", "production", None]
    assert state.aliases("churn") == {"champion": 2}


def test_numbers_are_ordered_as_numbers() -> None:
    branch = branch_with(*[{}] * 11)
    assert branch.state.versions("churn") == list(range(1, 12))
    assert branch.state.latest("churn") == 11


def test_a_model_with_its_pointers(branch: FakeBranch) -> None:
    branch.write(
        {layout.model_document_path("churn"): b"description: d\nowner: o\ntags: {team: growth}\n"}
    )
    model = branch.state.model("churn")
    assert (model.name, model.latest) == ("churn", 5)
    assert model.stages == {"production": (2,), "staging": (1, 4)}
    assert model.aliases == {"champion": 2}
    assert (model.description, model.owner, model.tags) == ("d", "o", {"team": "growth"})
    with pytest.raises(NotFound):
        branch.state.model("nobody")


def test_a_version_with_everything(branch: FakeBranch) -> None:
    branch.write({layout.annotations_path("churn", 2): b"description: d\ntags: {a: b}\n"})
    version = branch.state.version("churn", 2)
    assert version.reference == "churn@2"
    assert version.metrics == {"auc": 0.9}
    assert (version.stage, version.aliases) == ("production", ("champion",))
    assert (version.description, version.tags) == ("d", {"a": "b"})
    assert version.artifact.md5 == "d4" * 16
    assert version.read_from == branch.tip
    for number, message in ((3, "was deleted"), (9, "no churn@9")):
        with pytest.raises(NotFound, match=message):
            branch.state.version("churn", number)


def test_a_manifest_of_another_version(branch: FakeBranch) -> None:
    data = branch.snapshot.files[layout.manifest_path("churn", 1)]
    branch.write({layout.manifest_path("churn", 2): data})
    with pytest.raises(InvalidDocument, match=r"versions/2/manifest\.yaml: it describes churn@1"):
        branch.state.version("churn", 2)


def test_a_version_without_its_dvc_pointer(branch: FakeBranch) -> None:
    branch.write({layout.dvc_pointer_path("churn", 2, "model.pkl"): None})
    with pytest.raises(InvalidDocument, match=r"versions/2/model\.pkl\.dvc: missing"):
        branch.state.version("churn", 2)


def test_the_frozen_environment(branch: FakeBranch) -> None:
    assert branch.state.requirements("churn", 1) == []
    branch.write({layout.version_path("churn", 1, "requirements.txt"): b"numpy==2.1.0\nb\xff\n"})
    assert branch.state.requirements("churn", 1) == ["numpy==2.1.0", "b\ufffd"]


def test_strangers_in_the_folder_are_no_models(branch: FakeBranch) -> None:
    branch.write(
        {
            "registry/README.md": b"",
            "registry/.gitignore": b"",
            "registry/notes/todo.md": b"",
            "registry/a%40b/versions/1/manifest.yaml": b"",
            "registry/%1B/versions/1/manifest.yaml": b"",
            "registry/%2E%2E/versions/1/manifest.yaml": b"",
            "registry/churn/stages/Production.yaml": b"versions: [1]",
            "registry/churn/stages/README": b"",
            "registry/churn/aliases/%1B.yaml": b"version: 1",
            "registry/churn/versions/latest/manifest.yaml": b"",
            "registry/churn/versions/06/manifest.yaml": b"",
        }
    )
    assert branch.state.model_names() == ["churn", "tokenizer"]
    assert branch.state.model("churn") == next(branch.state.models())
    assert branch.state.stages("churn") == {"production": (2,), "staging": (1, 4)}
    assert branch.state.aliases("churn") == {"champion": 2}
    assert branch.state.numbers("churn") == [1, 2, 3, 4, 5]


def test_a_pointer_that_is_a_folder_is_none(branch: FakeBranch) -> None:
    branch.write({"registry/churn/aliases/old.yaml/x": b""})
    assert branch.state.aliases("churn") == {"champion": 2}


def test_a_broken_pointer_is_named(branch: FakeBranch) -> None:
    path = layout.stage_path("churn", "production")
    branch.write({path: b"versions: [2, 1]\n"})
    with pytest.raises(InvalidDocument, match=f"{path}: versions: the numbers must ascend"):
        resolved(branch, "churn/production")


class Remembering:
    """A snapshot that counts its trips: what it was asked before it remembers, as Git's does."""

    def __init__(self, inner: DictSnapshot) -> None:
        self.inner = inner
        self.trips = 0
        self._known: set[tuple[str, str]] = set()

    @property
    def commit(self) -> str | None:
        return self.inner.commit

    def _ask(self, kind: str, paths: Sequence[str]) -> None:
        asked = {(kind, path) for path in paths}
        self.trips += not asked <= self._known
        self._known |= asked

    def read(self, path: str) -> bytes | None:
        self._ask("file", [path])
        return self.inner.read(path)

    def list(self, path: str) -> Sequence[str]:
        self._ask("folder", [path])
        return self.inner.list(path)

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        self._ask("file", paths)
        return self.inner.read_many(paths)

    def list_many(self, paths: Sequence[str]) -> Sequence[Sequence[str]]:
        self._ask("folder", paths)
        return self.inner.list_many(paths)


def test_listing_all_models_takes_as_many_trips_as_listing_one() -> None:
    branch, trips = FakeBranch(), []
    for name in ("a", "b", "c", "d", "e"):
        branch.register(name)
        branch.promote(f"{name}@1", aliases=("champion",))
        snapshot = Remembering(branch.snapshot)
        found = list(RegistryState(snapshot).models())
        trips.append(snapshot.trips)
    assert found == [branch.state.model(name) for name in "abcde"]
    assert trips == trips[:1] * 5
    assert trips[0] < 10
    assert RegistryState(snapshot).commit == branch.tip


def test_twins_by_case_and_unicode_form() -> None:
    branch = branch_with({}, model="caf\u00e9")
    assert branch.state.same_name("CAFE\u0301") == "caf\u00e9"
    assert branch.state.same_name("caf\u00e9") is None
    assert branch.state.same_name("cafe") is None
