"""`gitreg export mlflow`, and registries that go over and back."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from gitreg import Registry
from gitreg.errors import InvalidRequest
from gitreg.mlflow.transfer.foreign import ForeignRegistry
from tests.conftest import git
from tests.mlflow.filled import made_of, store_of, told
from tests.mlflow.transfer.moves import Place, bring, cut_off, remarks, sound, take
from tests.support.commands import gitreg


def test_a_registry_goes_over_and_back(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source)
    ran = gitreg("export", "mlflow", "--uri", target.uri, "--repo", str(folder))
    assert "churn         1, 3-5" in ran.out
    assert told(target.uri) == told(source.uri)
    assert made_of(target.uri, target.folder) == made_of(source.uri, source.folder)
    again = gitreg("export", "mlflow", "--uri", target.uri, "--repo", str(folder))
    assert "nothing to do" in again.out
    assert b"ada:pw" in source.database.read_bytes()  # a login in the URL of a run's repository
    assert b"ada:pw" not in target.database.read_bytes()
    assert "ada:pw" not in git(folder, "log", "--patch", "--text")
    back = bring(folder, target)  # what went there is known when it comes back
    assert (remarks(back), back.is_unchanged) == ([], True)


def test_what_went_over_comes_anew(
    folder: Path, source: Place, target: Place, tmp_path: Path
) -> None:
    bring(folder, source)
    take(folder, target)
    anew = tmp_path / "anew"
    Registry.init(anew)
    assert bring(anew, target).is_complete
    assert told(f"gitreg://{anew}") == told(source.uri)
    sound(anew)


def test_what_somebody_said_of_a_model_before_it_came_stays(folder: Path, source: Place) -> None:
    with Registry(folder) as registry:
        registry.create_model("churn", description="mine", tags={"my": "own"})
    report = bring(folder, source, "churn")
    assert remarks(report) == [
        ("churn: its annotations differ, but were changed here: kept", False)
    ]
    with Registry(folder) as registry:
        assert registry.model("churn").tags == {"my": "own"}
        assert registry.resolve("churn@champion").version == 3


def test_an_export_that_is_cut_off_goes_on(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source)
    args = ["export", "mlflow", "--uri", target.uri, "--repo", str(folder)]
    there = ForeignRegistry(target.uri)

    def has_two() -> bool:
        model = there.model("churn")
        return model is not None and len(there.versions(model)) >= 2

    assert cut_off(folder, args, signal.SIGKILL, has_two) == -signal.SIGKILL
    gitreg(*args)
    assert told(target.uri) == told(source.uri)
    assert made_of(target.uri, target.folder) == made_of(source.uri, source.folder)
    assert take(folder, target).is_unchanged


def test_what_took_a_number_of_nobody_goes_when_an_export_goes_on(
    folder: Path, source: Place, target: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after each of its calls in turn, before and after what takes a number is deleted."""
    bring(folder, source, "churn")
    store = type(ForeignRegistry(target.uri).store)
    cut_off = []
    for call in ("create_model_version", "delete_model_version", "delete_model_version_tag"):
        for late in (False, True):
            with monkeypatch.context() as patch:
                patch.setattr(store, call, _interrupted(getattr(store, call), late=late))
                try:
                    take(folder, target)
                except KeyboardInterrupt:
                    cut_off.append((call, late))
    # Then nothing has a number of nobody's left, and its tag is not deleted any more.
    assert cut_off == [
        (call, late)
        for call in ("create_model_version", "delete_model_version")
        for late in (False, True)
    ]
    take(folder, target)
    here, there = (told(place.uri)["churn"] for place in (source, target))
    assert there == here
    assert take(folder, target).is_unchanged


def _interrupted(call: Any, *, late: bool) -> Any:
    """Return a call that is interrupted, before it does its work or after it."""

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if late:
            call(*args, **kwargs)
        raise KeyboardInterrupt

    return interrupted


def test_numbers_that_are_deleted_here_are_not_given_there(
    folder: Path, source: Place, target: Place
) -> None:
    bring(folder, source, "churn", "Größe*")
    with Registry(folder) as registry:
        registry.delete("churn@5")
        registry.delete("Größe 2 (EU)@2", force=True)
    report = take(folder, target)
    assert [text for text, _ in remarks(report)] == [
        "Größe 2 (EU): MLflow may reuse numbers up to 2, which were given here"
    ]
    assert take(folder, target).is_unchanged
    there = target.filler()
    assert there.version("churn", 0.1, 0.5) == 6


def test_what_moves_here_moves_there(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source)
    take(folder, target)
    with Registry(folder) as registry:
        registry.promote("churn@4", stage="production", alias="champion")
        registry.annotate("churn", description="New words.", tags={"team": "core"})
        registry.annotate("churn@1", description="old", tags={"set": "x"}, untag=())
        registry.delete_alias("churn", "näch_ste")
        registry.delete("churn@5")
    dry = take(folder, target, dry_run=True)
    report = take(folder, target)
    assert [model.changed for model in dry.models] == [model.changed for model in report.models]
    assert remarks(report) == [
        ("churn@5: is in MLflow and not here; it stays", False),
        ("churn: MLflow has an alias 'näch_ste', which is not here; it stays", False),
    ]
    found = told(target.uri)["churn"]
    assert found["description"] == "New words."
    assert found["tags"]["team"] == "core"
    assert found["aliases"] == {"challenger": 4, "champion": 4, "näch_ste": 4}
    assert {number: found["versions"][number]["stage"] for number in (3, 4)} == {
        3: "Archived",
        4: "Production",
    }
    assert take(folder, target).is_unchanged


def test_what_mlflow_cannot_hold_stays_behind(folder: Path, target: Place) -> None:
    policy = folder / "registry" / "policy.yaml"
    policy.write_text(policy.read_text().replace("  staging:", "  canary: {}\n  staging:"))
    git(folder, "commit", "-qam", "canary")
    (folder / "one.pkl").write_text("weights")
    with Registry(folder) as registry:
        registry.register(
            "one",
            folder / "one.pkl",
            metrics={"auc": 0.5, "a|b": 1},
            params={"deep": {"er": [1, 2]}, "long": "x" * 7000, "k" * 251: 1},
        )
        registry.annotate("one", owner="Ada")
        registry.promote("one@1", stage="canary")
    report = take(folder, target)
    assert remarks(report) == [
        ("one@1: metric left out: MLflow does not accept the name 'a|b'", True),
        ("one@1: param long cut to 6,000 characters", True),
        (f"one@1: param left out: the name '{'k' * 40}'… is too long for MLflow", True),
        ("one@1: not in canary: MLflow has no such stage", True),
        ("one: MLflow cannot store its owner, Ada", False),
    ]
    made = made_of(target.uri, target.folder)["one@1"]
    with Registry(folder) as registry:
        assert made["sha256"] == registry.sha256("one@1")
    assert made["params"]["deep"] == '{"er": [1, 2]}'


def test_links_go_over_and_what_cannot_be_had_waits(
    folder: Path, source: Place, target: Place
) -> None:
    there = source.filler()
    there.client.create_registered_model("lost")
    for place in ("s3://bucket/one", "s3://bucket/two"):
        there.client.create_model_version("lost", place, await_creation_for=0)
    bring(folder, source, "lost", "churn")
    assert take(folder, target, "lost").is_complete
    found = store_of(target.uri).search_model_versions("name = 'lost'")
    assert {version.source for version in found} == {"s3://bucket/one", "s3://bucket/two"}
    store_of(target.uri).delete_model_version("lost", "1")
    shutil.rmtree(folder / "registry" / ".dvc" / "cache")
    shutil.rmtree(folder / "registry" / "churn" / "versions", ignore_errors=True)
    git(folder, "checkout", "-q", ".")
    report = take(folder, target, "lost", "churn")
    said = [text for text, _ in remarks(report)]
    assert any(text.startswith("churn@1: ") for text in said)
    assert "churn: 3, 4, 5 wait until 1 can be exported" in said
    assert "churn: @champion names 3, which is not in MLflow" in said
    assert "lost@1: was deleted in MLflow: not taken there again" in said


def test_another_version_there_stays(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source, "churn")
    there = target.filler()
    there.client.create_registered_model("churn", {"its": "own"})
    there.version("churn", 0.7, 0.5)
    there.version("churn", 0.7, 0.6)
    there.client.delete_model_version("churn", "2")
    report = take(folder, target)
    said = remarks(report)
    assert ("churn@1: is another version there, which has the number already", True) in said
    assert ("churn: MLflow has a tag 'its', which is not here; it stays", False) in said
    assert sorted(told(target.uri)["churn"]["versions"]) == [1, 3, 4, 5]


def test_a_number_that_mlflow_gave_already(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source, "churn")
    there = target.filler()
    there.client.create_registered_model("churn")
    for _ in range(3):
        there.version("churn", 0.7, 0.5)
    for number in ("1", "2", "3"):
        there.client.delete_model_version("churn", number)
    report = take(folder, target)
    assert ("churn@1: the next number of churn in MLflow is 4, not 1", True) in remarks(report)
    assert told(target.uri)["churn"]["versions"] == {}


def test_a_deleted_experiment_is_in_the_way(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source, "it's*")
    client = target.filler().client
    client.delete_experiment(client.create_experiment(folder.name))
    with pytest.raises(InvalidRequest, match="is deleted at"):
        take(folder, target)
