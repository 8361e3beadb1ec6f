"""`gitreg import mlflow`, from registries that MLflow itself filled."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest
from mlflow.store.artifact import s3_artifact_repo

from gitreg import Registry
from gitreg.core.text.times import instant
from gitreg.errors import WorldError
from gitreg.mlflow.transfer.foreign import ForeignRegistry
from tests.conftest import git
from tests.mlflow.filled import store_of, told
from tests.mlflow.transfer.moves import Place, bring, cut_off, remarks, sound, take
from tests.support.commands import error, gitreg


def commits(folder: Path) -> int:
    return int(git(folder, "rev-list", "--count", "HEAD"))


def test_all_of_a_registry_comes_over(folder: Path, source: Place) -> None:
    ran = gitreg("import", "mlflow", "--uri", source.uri, "--repo", str(folder))
    assert "churn         1, 3-5" in ran.out
    assert ran.err == ""
    sound(folder)
    assert told(f"gitreg://{folder}") == told(source.uri)
    with Registry(folder) as registry:
        third = registry.show("churn@3")
        tomb = registry.state().numbers("churn")
    assert third.metrics == {"auc": 0.81, "loss": pytest.approx(0.19)}
    assert third.params == {"C": "0.5", "note": "größer"}
    assert third.lineage.code is not None
    assert third.lineage.code.repository == "https://git.example.com/team/churn.git"
    assert third.signature is not None
    assert third.environment.requirements == "requirements.txt"
    assert tomb == [1, 2, 3, 4, 5]

    before = git(folder, "rev-parse", "HEAD")
    again = gitreg("import", "mlflow", "--uri", source.uri, "--repo", str(folder))
    assert "nothing to do" in again.out
    assert git(folder, "rev-parse", "HEAD") == before


def test_versions_are_dated_as_they_were(folder: Path, source: Place) -> None:
    bring(folder, source)
    there = ForeignRegistry(source.uri)
    first = there.versions(there.models()["churn"])[0]
    with Registry(folder) as registry:
        version = registry.show("churn@1")
    assert version.created_at == instant(first.created)
    author, committer = git(folder, "log", "-1", "--format=%at %ct", str(version.commit)).split()
    assert int(author) == first.created // 1000 <= int(committer)


def test_source_run_and_times_are_told_as_they_were(folder: Path, source: Place) -> None:
    bring(folder, source, "churn")
    named = "name = 'churn'"
    here, there = (
        {
            int(version.version): (
                version.source,
                version.run_id,
                version.run_link,
                version.creation_timestamp,
                version.model_id,
            )
            for version in store_of(uri).search_model_versions(named)
        }
        for uri in (f"gitreg://{folder}", source.uri)
    )
    assert here == there
    assert sorted(here) == [1, 3, 4, 5]
    models = [
        store_of(uri).get_registered_model("churn") for uri in (f"gitreg://{folder}", source.uri)
    ]
    assert models[0].creation_timestamp == models[1].creation_timestamp


def test_models_are_chosen_by_pattern(folder: Path, source: Place) -> None:
    report = bring(folder, source, "gr*", "it's*")
    assert [model.name for model in report.models] == ["greeting", "it's empty"]
    said = error(
        "import", "mlflow", "--uri", source.uri, "--models", "chrun", "--repo", str(folder)
    )
    assert "no model matches 'chrun'" in said
    assert "did you mean 'churn'?" in said


def test_a_dry_run_writes_nothing(folder: Path, source: Place) -> None:
    before = git(folder, "rev-parse", "HEAD")
    report = bring(folder, source, dry_run=True)
    assert git(folder, "rev-parse", "HEAD") == before
    assert {model.name: model.brought for model in report.models}["churn"] == (1, 3, 4, 5)
    assert (
        "would be copied"
        in gitreg("import", "mlflow", "--uri", source.uri, "--repo", str(folder), "--dry-run").out
    )
    assert bring(folder, source).is_complete


def test_a_dry_run_knows_names_that_exclude_each_other(folder: Path, source: Place) -> None:
    for name in ("Twin", "twin"):
        source.filler().client.create_registered_model(name)
    would = bring(folder, source, "[Tt]win", dry_run=True)
    assert remarks(would) == remarks(bring(folder, source, "[Tt]win"))
    assert "'twin' differs from the model 'Twin'" in remarks(would)[0][0]


def test_cut_off_by_the_keyboard_it_goes_on(folder: Path, source: Place) -> None:
    def stop(done: int, total: int, name: str) -> None:
        if name == "churn@4":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(folder, source, tell=stop)
    report = bring(folder, source)
    churn = next(model for model in report.models if model.name == "churn")
    assert (churn.present, churn.brought) == ((1, 3), (4, 5))
    sound(folder)
    assert told(f"gitreg://{folder}") == told(source.uri)
    assert bring(folder, source).is_unchanged


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_ended_goes_on(folder: Path, source: Place, how: signal.Signals) -> None:
    args = ["import", "mlflow", "--uri", source.uri, "--repo", str(folder)]
    started = commits(folder)
    code = cut_off(folder, args, how, lambda: commits(folder) >= started + 4)
    assert code in (130, -how)
    gitreg(*args)
    sound(folder)
    assert told(f"gitreg://{folder}") == told(source.uri)
    assert bring(folder, source).is_unchanged


# What moves afterwards


def test_what_moves_in_mlflow_moves_here(folder: Path, source: Place) -> None:
    bring(folder, source)
    there = source.filler()
    there.version("churn", 0.1, 0.95)
    there.stage("churn", 3, "Archived")
    there.stage("churn", 4, "Production")
    there.stage("churn", 1, "None")
    there.client.set_registered_model_alias("churn", "champion", "4")
    there.client.delete_registered_model_alias("churn", "näch_ste")
    there.client.update_registered_model("churn", "New words.")
    there.client.update_model_version("churn", "3", "the old one")
    there.client.set_model_version_tag("churn", "3", "set", "2026")
    there.client.delete_model_version_tag("churn", "1", "set")
    report = bring(folder, source)
    churn = next(model for model in report.models if model.name == "churn")
    assert churn.brought == (6,)
    assert remarks(report) == []
    assert told(f"gitreg://{folder}") == told(source.uri)
    sound(folder)
    assert bring(folder, source).is_unchanged


def test_what_was_moved_here_stays(folder: Path, source: Place) -> None:
    bring(folder, source)
    with Registry(folder) as registry:
        registry.promote("churn@4", stage="production")
        registry.set_alias("churn@5", "champion")
        registry.annotate("churn@1", description="mine")
        registry.set_alias("churn@5", "mine")
    before = git(folder, "rev-parse", "HEAD")
    report = bring(folder, source)
    assert git(folder, "rev-parse", "HEAD") == before
    assert report.is_complete
    assert [text.split(":")[0] for text, _ in remarks(report)] == [
        "churn@1",
        "churn",
        "churn@3",
        "churn@4",
    ]


def test_what_is_gone_on_one_side_is_told(folder: Path, source: Place) -> None:
    bring(folder, source)
    with Registry(folder) as registry:
        registry.delete("churn@5")
        registry.delete_model("it's empty")
        registry.rename_model("greeting", "welcome")
    source.filler().client.delete_model_version("Größe 2 (EU)", "2")
    before = git(folder, "rev-parse", "HEAD")
    report = bring(folder, source)
    assert git(folder, "rev-parse", "HEAD") == before
    assert remarks(report) == [
        ("Größe 2 (EU)@2: was deleted in MLflow since; it stays here", False),
        ("churn@5: was deleted here: not imported again", False),
        ("greeting: was renamed to welcome here: not imported again", False),
        ("it's empty: was deleted here: not imported again", False),
    ]


def test_a_model_that_began_anew_here_comes_again(folder: Path, source: Place) -> None:
    bring(folder, source, "churn")
    with Registry(folder) as registry:
        registry.delete_model("churn", force=True)
        assert bring(folder, source, "churn").is_unchanged
        registry.create_model("churn")
    report = bring(folder, source, "churn")
    assert report.models[0].brought == (1, 3, 4, 5)
    assert (
        told(f"gitreg://{folder}")["churn"]["versions"] == (told(source.uri)["churn"]["versions"])
    )
    sound(folder)


def test_models_that_are_gone_in_mlflow_are_told(folder: Path, source: Place) -> None:
    write = folder / "own.pkl"
    write.write_text("weights")
    with Registry(folder) as registry:
        registry.register("own", write)
    bring(folder, source)
    source.filler().client.delete_registered_model("it's empty")
    report = bring(folder, source)
    assert remarks(report) == [("it's empty: is no longer in MLflow; it stays here", False)]
    assert report.is_unchanged


def test_what_cuts_an_import_off_says_how_to_go_on(folder: Path, source: Place) -> None:
    def fail(done: int, total: int, name: str) -> None:
        if name == "churn@3":
            raise WorldError("the disk is full")

    with pytest.raises(WorldError) as told_so:
        bring(folder, source, tell=fail)
    assert told_so.value.hint == "run it again: it continues with what is not imported yet"
    assert bring(folder, source).is_complete


def test_another_version_of_the_same_number_stays(folder: Path, source: Place) -> None:
    (folder / "own.pkl").write_text("weights")
    with Registry(folder) as registry:
        registry.register("churn", folder / "own.pkl")
    report = bring(folder, source, "churn")
    assert ("churn@1: is another version here, which has the number already", True) in remarks(
        report
    )
    with Registry(folder) as registry:
        assert registry.show("churn@1").artifact.path == "model.pkl"
        assert registry.resolve("churn@champion").version == 3


def test_where_somebody_put_another_version_mlflow_s_does_not_come(
    folder: Path, source: Place
) -> None:
    bring(folder, source)
    with Registry(folder) as registry:
        registry.promote("churn@5", stage="production")
    there = source.filler()
    number = there.version("churn", 0.1, 0.6)
    there.stage("churn", 3, "Archived")
    there.stage("churn", number, "Production")
    report = bring(folder, source, "churn")
    assert [text for text, is_left in remarks(report) if is_left] == [
        "churn@6: not in production: production holds churn@5, which somebody put there"
    ]
    with Registry(folder) as registry:
        assert registry.resolve("churn/production").version == 5


def test_mlflow_may_have_several_in_production(folder: Path, source: Place, target: Place) -> None:
    there = source.filler()
    for number in (1, 4, 5):
        there.stage("churn", number, "Production")
    assert bring(folder, source, "churn").is_complete
    assert told(f"gitreg://{folder}")["churn"] == told(source.uri)["churn"]
    gitreg("check", "--history", "--repo", str(folder))  # too-many is a warning
    assert take(folder, target, "churn").is_complete
    assert told(target.uri)["churn"] == told(source.uri)["churn"]


def test_an_alias_that_the_policy_protects_stays(folder: Path, source: Place) -> None:
    bring(folder, source)
    policy = folder / "registry" / "policy.yaml"
    policy.write_text(f"{policy.read_text()}aliases:\n  challenger: {{protected: true}}\n")
    git(folder, "commit", "-qam", "protect the challenger")
    source.filler().client.delete_registered_model_alias("churn", "challenger")
    report = bring(folder, source, "churn")
    ((text, is_left),) = remarks(report)
    assert text.startswith("churn: @challenger stays: ")
    assert is_left


# What cannot be downloaded


def test_what_the_policy_refuses_stays_behind(folder: Path, source: Place) -> None:
    policy = folder / "registry" / "policy.yaml"
    text = policy.read_text()
    assert "  production:\n" in text
    policy.write_text(text.replace("  production:\n", "  production:\n    from: [staging]\n"))
    git(folder, "commit", "-qam", "production from staging only")
    ran = gitreg("import", "mlflow", "--uri", source.uri, "--repo", str(folder), code=1)
    assert "incomplete: churn@3: not in production" in ran.out
    with Registry(folder) as registry:
        assert registry.resolve("churn@champion").version == 3
        assert registry.model("churn").stages == {"archived": (1,), "staging": (4,)}
    sound(folder)


def test_artifacts_that_are_gone_become_links(folder: Path, source: Place) -> None:
    there = source.filler()
    there.client.create_registered_model("lost")
    run = there.run({"auc": 0.5, "bad": float("nan")}, {})
    made = there.client.create_model_version(
        "lost", f"{run.info.artifact_uri}/nothing", run.info.run_id, await_creation_for=0
    )
    there.version("lost", 0.1, 0.6)
    report = bring(folder, source, "lost", links=False)
    assert [text for text, is_left in remarks(report) if is_left][1:] == [
        "lost: 2 wait until 1 can be imported"
    ]
    report = bring(folder, source, "lost")
    (text, is_left), note = remarks(report)
    assert "lost@1: its artifacts could not be downloaded, it is a link to them" in text
    assert is_left
    assert note == ("lost@1: metrics left out, not finite: bad", False)
    with Registry(folder) as registry:
        version = registry.show("lost@1")
        assert version.artifact.path == "model.link"
        assert registry.pull(version, folder.parent).read_text() == made.source
    assert bring(folder, source, "lost").is_unchanged
    sound(folder)


def test_what_is_not_installed_makes_no_links(
    folder: Path, source: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link stays one for good: it must not come of what a `pip install` mends."""
    there = source.filler()
    there.client.create_registered_model("stored")
    there.client.create_model_version("stored", "s3://bucket/model", await_creation_for=0)
    s3_artifact_repo._cached_get_s3_client.cache_clear()  # another test's client needs no boto3
    with monkeypatch.context() as patch:
        for name in ("boto3", "botocore"):
            patch.setitem(sys.modules, name, None)
        with pytest.raises(WorldError, match=r"s3://bucket/model: .*boto") as raised:
            bring(folder, source, "stored")
    assert "install" in str(raised.value.hint)
    with Registry(folder) as registry:
        assert registry.versions("stored") == []


def test_a_run_that_is_gone_and_names_that_do_not_fit_are_told(folder: Path, source: Place) -> None:
    there = source.filler()
    for name in ("x@y", "CHURN", "odd"):
        there.client.create_registered_model(name)
    version = there.version("odd", 0.1, 0.6)
    for alias in ("Production", "7", "Best", "best"):
        there.client.set_registered_model_alias("odd", alias, str(version))
    there.store.create_model_version("odd", "s3://nobody/has/it", "0" * 32)
    there.client.delete_model_version("odd", "2")
    made = there.client.search_model_versions("name = 'odd'")[0]
    there.store.create_model_version("odd", made.source, "0" * 32)
    report = bring(folder, source, "x@y", "CHURN", "odd", "churn")
    said = dict(remarks(report))
    left = [text for text, is_left in remarks(report) if is_left]
    assert any(text.startswith("x@y: 'x@y' cannot be a model's name") for text in left)
    assert any("differs from the model 'CHURN' only by case" in text for text in left)
    assert any("'7' cannot be an alias" in text for text in left)
    assert any(text.startswith("odd: @best does not name 1: alias 'best' differs") for text in left)
    with Registry(folder) as registry:
        assert registry.model("odd").aliases == {"Best": 1, "Production": 1}
    assert not said[f"odd@3: its run {'0' * 32} is gone: no metrics, params and commit"]
    sound(folder)


def test_a_long_run_is_cut_to_what_a_manifest_holds(folder: Path, source: Place) -> None:
    there = source.filler()
    there.client.create_registered_model("long")
    run = there.run({}, {f"p{number}": "x" * 5000 for number in range(9)})
    there.client.log_text(run.info.run_id, "weights", "model/weights.txt")
    there.client.create_model_version(
        "long", f"{run.info.artifact_uri}/model", run.info.run_id, await_creation_for=0
    )
    report = bring(folder, source, "long")
    assert len(report.remarks) == 1
    assert "params left out" in report.remarks[0].text
    assert report.is_complete


def test_artifacts_behind_a_server_that_is_not_named(folder: Path, source: Place) -> None:
    there = source.filler()
    there.client.create_registered_model("proxied")
    there.store.create_model_version("proxied", "mlflow-artifacts:/1/abc/artifacts/model")
    with pytest.raises(WorldError, match="behind a tracking server"):
        bring(folder, source, "proxied")
    report = bring(folder, source, "churn")
    assert report.is_complete


def test_names_with_both_kinds_of_quotes(folder: Path, source: Place, target: Place) -> None:
    there = source.filler()
    there.client.create_registered_model('it\'s "it"')
    there.version('it\'s "it"', 0.1, 0.6)
    assert bring(folder, source, "it's \"*").is_complete
    assert take(folder, target, "it's \"*").is_complete
    assert told(target.uri)['it\'s "it"'] == told(source.uri)['it\'s "it"']


def test_a_logged_model_is_known_by_its_id(folder: Path, source: Place) -> None:
    there = source.filler()
    there.client.create_registered_model("logged")
    run = there.run({"auc": 0.5}, {})
    model = there.client.create_logged_model(
        there.experiment, "logged", run.info.run_id, params={"depth": "3"}
    )
    path = there.trained(0.1)
    there.client.log_model_artifacts(model.model_id, str(path))
    there.client.log_metric(run.info.run_id, "f1", 0.4, model_id=model.model_id)
    there.client.finalize_logged_model(model.model_id, "READY")
    there.register_logged("logged", model)
    assert remarks(bring(folder, source, "logged")) == []
    with Registry(folder) as registry:
        version = registry.show("logged@1")
    assert version.artifact.is_folder
    assert version.lineage.logged_model == model.model_id
    assert version.metrics == {"auc": 0.5, "f1": 0.4}
    assert version.params == {"depth": "3"}
