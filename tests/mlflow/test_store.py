"""Our store beyond what MLflow's SQL store does: commits, refusals, threads, processes, pickles."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelTag,
)
from mlflow.exceptions import MlflowException
from mlflow.utils.time import get_current_time_millis

from gitreg import Registry
from gitreg.git.copies import cache_folder
from gitreg.mlflow import pool
from gitreg.mlflow.store import GitregStore
from tests.conftest import git, write_model
from tests.support.extent import extent

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/mlflow.md"


@pytest.fixture
def store(folder: Path) -> Iterator[GitregStore]:
    opened = GitregStore(f"gitreg://{folder}")
    yield opened
    opened.close()


@pytest.fixture
def filled(folder: Path) -> Iterator[GitregStore]:
    """A store with two versions of churn."""
    opened = GitregStore(f"gitreg://{folder}")
    opened.create_registered_model("churn")
    for text in ("one", "two"):
        opened.create_model_version("churn", str(write_model(folder.parent, text)))
    yield opened
    opened.close()


def code(raised: pytest.ExceptionInfo[MlflowException]) -> str:
    return str(raised.value.error_code)


# Commits


def test_a_call_is_a_commit_that_says_what_was_called(filled: GitregStore, folder: Path) -> None:
    before = int(git(folder, "rev-list", "--count", "HEAD"))
    filled.transition_model_version_stage("churn", 2, "Production", archive_existing_versions=True)
    filled.set_registered_model_alias("churn", "champion", 2)
    filled.set_model_version_tag("churn", 2, ModelVersionTag("auc", "0.9"))
    assert int(git(folder, "rev-list", "--count", "HEAD")) == before + 3
    assert git(folder, "log", "-3", "--reverse", "--format=%s").splitlines() == [
        "promote churn@2 to production",
        "set churn@champion to churn@2",
        "annotate churn@2",
    ]
    message = git(folder, "log", "-1", "--format=%b", "HEAD~2")
    assert "By MLflow's transition_model_version_stage." in message


def test_times_lie_between_the_start_and_the_end_of_a_call(
    store: GitregStore, folder: Path
) -> None:
    def between(call: Callable[[], object], *times: Callable[[], int | None]) -> None:
        start = get_current_time_millis()
        call()
        end = get_current_time_millis()
        assert all(start <= (time() or 0) <= end for time in times), (start, end)

    def model() -> RegisteredModel:
        return store.get_registered_model("churn")

    def version() -> ModelVersion:
        return store.get_model_version("churn", 1)

    source = str(write_model(folder.parent, "one"))
    between(
        lambda: store.create_registered_model("churn"),
        lambda: model().creation_timestamp,
        lambda: model().last_updated_timestamp,
    )
    between(
        lambda: store.create_model_version("churn", source),
        lambda: version().creation_timestamp,
        lambda: version().last_updated_timestamp,
        lambda: model().last_updated_timestamp,
    )
    for moves in (
        lambda: store.transition_model_version_stage("churn", 1, "Staging", False),
        lambda: store.update_model_version("churn", 1, "described"),
    ):
        between(moves, lambda: version().last_updated_timestamp)
    between(
        lambda: store.update_registered_model("churn", "x"), lambda: model().last_updated_timestamp
    )
    created, updated = version().creation_timestamp, version().last_updated_timestamp
    store.close()
    git(folder, "clone", "--quiet", ".", str(folder.parent / "clone"))
    there = GitregStore(f"gitreg://{folder.parent / 'clone'}")
    found = there.get_model_version("churn", 1)
    assert (found.creation_timestamp, found.last_updated_timestamp) == (created, updated)
    there.close()


@pytest.mark.filterwarnings("ignore:.*is deprecated since 2.9.0:FutureWarning")
def test_the_guide_says_what_each_call_becomes(folder: Path, tmp_path: Path) -> None:
    table = GUIDE.read_text().partition("| MLflow's call | the commit |\n")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| (`.+`) \| `(.+)` \|$", table, re.MULTILINE)
    client = MlflowClient(f"sqlite:///{tmp_path}/unused.db", f"gitreg://{folder}")
    source = write_model(tmp_path, "one")

    def move(stage: str) -> object:
        return client.transition_model_version_stage("churn", "1", stage)

    made: list[tuple[list[Callable[[], object]], str]] = [
        ([lambda: client.create_registered_model("churn")], "create churn"),
        ([lambda: client.create_model_version("churn", str(source))], "register churn@1"),
        ([lambda: move("Production")], "promote churn@1 to production"),
        ([lambda: move("Archived")], "archive churn@1"),
        ([lambda: move("None")], "take churn@1 out of archived"),
        (
            [lambda: client.set_registered_model_alias("churn", "champion", "1")],
            "set churn@champion to churn@1",
        ),
        (
            [lambda: client.delete_registered_model_alias("churn", "champion")],
            "delete churn@champion",
        ),
        (
            [
                lambda: client.update_model_version("churn", "1", "the first"),
                lambda: client.set_model_version_tag("churn", "1", "a", "b"),
                lambda: client.delete_model_version_tag("churn", "1", "a"),
            ],
            "annotate churn@1",
        ),
        (
            [
                lambda: client.update_registered_model("churn", "who leaves"),
                lambda: client.set_registered_model_tag("churn", "a", "b"),
                lambda: client.delete_registered_model_tag("churn", "a"),
            ],
            "annotate churn",
        ),
        ([lambda: client.rename_registered_model("churn", "leaver")], "rename churn to leaver"),
        ([lambda: client.delete_model_version("leaver", "1")], "delete leaver@1"),
        ([lambda: client.delete_registered_model("leaver")], "delete leaver"),
    ]
    for calls, subject in made:
        names, said = listed.pop(0)
        assert said == subject
        for name, call in zip(re.findall(r"`(.+?)`", names), calls, strict=True):
            tip = git(folder, "rev-parse", "HEAD")
            call()
            assert git(folder, "log", "--format=%s", f"{tip}..") == subject
            by = name.partition("(")[0]
            assert f"By MLflow's {by}." in git(folder, "log", "-1", "--format=%b")
    assert listed == []


def test_an_alias_that_the_policy_moves_is_no_commit_of_its_own(
    filled: GitregStore, folder: Path
) -> None:
    (folder / "registry" / "policy.yaml").write_text(
        "format: 1\nstages:\n  production: {holds: 1, aliases: [champion]}\n  archived: {}\n"
    )
    git(folder, "commit", "--quiet", "-am", "rules")
    filled.transition_model_version_stage("churn", 2, "Production", archive_existing_versions=True)
    tip = git(folder, "rev-parse", "HEAD")
    filled.set_registered_model_alias("churn", "champion", 2)
    assert git(folder, "rev-parse", "HEAD") == tip
    assert filled.get_model_version_by_alias("churn", "champion").version == 2


def test_what_changes_nothing_is_no_commit(filled: GitregStore, folder: Path) -> None:
    filled.set_registered_model_alias("churn", "champion", 2)
    filled.set_registered_model_tag("churn", RegisteredModelTag("a", "1"))
    filled.transition_model_version_stage("churn", 1, "Staging", archive_existing_versions=False)
    tip = git(folder, "rev-parse", "HEAD")
    filled.set_registered_model_alias("churn", "champion", 2)
    filled.set_registered_model_tag("churn", RegisteredModelTag("a", "1"))
    filled.transition_model_version_stage("churn", 1, "Staging", archive_existing_versions=True)
    filled.update_registered_model("churn", None)
    filled.delete_registered_model_alias("churn", "nope")
    filled.delete_model_version_tag("churn", 1, "nope")
    assert git(folder, "rev-parse", "HEAD") == tip


def test_what_git_did_by_hand_is_seen_at_once(filled: GitregStore, folder: Path) -> None:
    filled.set_registered_model_alias("churn", "champion", 1)
    filled.set_registered_model_alias("churn", "champion", 2)
    assert filled.get_model_version_by_alias("churn", "champion").version == 2
    git(folder, "revert", "--no-edit", "HEAD")
    assert filled.get_model_version_by_alias("churn", "champion").version == 1
    git(folder, "reset", "--quiet", "--hard", "HEAD~1")
    assert filled.get_model_version_by_alias("churn", "champion").version == 2


def test_check_and_doctor_have_nothing_against_it(filled: GitregStore, folder: Path) -> None:
    filled.transition_model_version_stage("churn", 1, "Production", archive_existing_versions=True)
    filled.transition_model_version_stage("churn", 2, "Production", archive_existing_versions=True)
    filled.set_registered_model_alias("churn", "champion", 2)
    filled.create_model_version("churn", "s3x://nowhere/model")
    filled.rename_registered_model("churn", "leaver")
    filled.delete_model_version("leaver", 2)
    filled.create_registered_model("churn")
    filled.delete_registered_model("leaver")
    with Registry(folder) as registry:
        report = registry.check(history=True)
        assert [f for f in report.findings if f.severity == "error"] == []
        assert [f for f in registry.doctor() if f.severity == "error"] == []


# Refusals


def test_the_policy_refuses_with_its_verdicts(filled: GitregStore, folder: Path) -> None:
    policy = folder / "registry" / "policy.yaml"
    policy.write_text(
        "format: 1\nstages:\n  staging: {}\n  production:\n    from: [staging]\n    holds: 1\n"
        "    replaced: archived\n    gates:\n    - {metric: auc, at_least: 0.9}\n  archived: {}\n"
    )
    git(folder, "commit", "--quiet", "-am", "rules")
    with pytest.raises(MlflowException) as raised:
        filled.transition_model_version_stage(
            "churn", 2, "Production", archive_existing_versions=True
        )
    assert code(raised) == "PERMISSION_DENIED"
    assert "only staging leads to production" in str(raised.value)
    assert str(raised.value).count("auc") == 1  # with the reason, which is said once
    assert filled.get_model_version("churn", 2).current_stage == "None"


def test_a_stage_of_the_policys_own_is_none_to_mlflow(filled: GitregStore, folder: Path) -> None:
    policy = folder / "registry" / "policy.yaml"
    policy.write_text(policy.read_text() + "  canary: {}\n")
    git(folder, "commit", "--quiet", "-am", "a stage")
    with Registry(folder) as registry:
        registry.promote("churn@1", stage="canary")
    assert filled.get_model_version("churn", 1).current_stage == "None"
    assert [mv.version for mv in filled.get_latest_versions("churn", ["None"])] == [2]


@pytest.mark.parametrize("name", ["a@b", "a#b", "-a", "a.", " a", "a" * 101, "a\u202eb"])
def test_names_that_a_registry_cannot_have_are_refused(store: GitregStore, name: str) -> None:
    with pytest.raises(MlflowException) as raised:
        store.create_registered_model(name)
    assert code(raised) == "INVALID_PARAMETER_VALUE"


def test_names_that_differ_by_case_alone_are_refused(filled: GitregStore) -> None:
    with pytest.raises(MlflowException) as raised:
        filled.create_registered_model("Churn")
    assert code(raised) == "INVALID_PARAMETER_VALUE"
    filled.set_registered_model_alias("churn", "champion", 1)
    for alias in ("Champion", "1", "-x"):
        with pytest.raises(MlflowException) as raised:
            filled.set_registered_model_alias("churn", alias, 1)
        assert code(raised) == "INVALID_PARAMETER_VALUE"


def test_a_repository_without_a_registry_is_told(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    for uri in (f"gitreg://{tmp_path}", f"gitreg://{tmp_path}/nope"):
        store = GitregStore(uri)
        with pytest.raises(MlflowException):
            store.get_registered_model("churn")
        with pytest.raises(MlflowException):
            store.create_registered_model("churn")
        store.close()


def test_a_malformed_uri_is_told_at_once() -> None:
    with pytest.raises(MlflowException) as raised:
        GitregStore("gitreg:///srv/repo?pusch=true")
    assert code(raised) == "INVALID_PARAMETER_VALUE"
    assert "did you mean 'push'?" in str(raised.value)


def test_a_document_that_does_not_parse_is_no_fault_of_the_caller(
    filled: GitregStore, folder: Path
) -> None:
    filled.set_registered_model_alias("churn", "champion", 1)
    (folder / "registry/churn/aliases/champion.yaml").write_text("version: [1\n")
    git(folder, "commit", "--quiet", "-am", "broken")
    with pytest.raises(MlflowException) as raised:
        filled.get_registered_model("churn")
    assert code(raised) == "RESOURCE_CONFLICT"
    assert raised.value.get_http_status_code() == 409  # MLflow's client tries a 500 for minutes
    assert "champion.yaml" in str(raised.value)


# Many at once


def test_sixteen_threads_share_a_store(filled: GitregStore) -> None:
    def work(number: int) -> list[int]:
        made = []
        for turn in range(3):
            mv = filled.create_model_version("churn", f"no/source/{number}/{turn}")
            made.append(mv.version)
            filled.set_registered_model_alias("churn", f"alias{number}", mv.version)
            assert (
                filled.get_model_version_by_alias("churn", f"alias{number}").version == mv.version
            )
        return made

    with ThreadPoolExecutor(16) as threads:
        made = [number for numbers in threads.map(work, range(16)) for number in numbers]
    assert sorted(made) == list(range(3, 3 + 48))
    model = filled.get_registered_model("churn")
    assert len(model.aliases) == 16
    assert len(filled.search_model_versions("name = 'churn'")) == 50
    assert len(filled._pool._idle) <= pool.KEPT


PROCESSES = extent(4, 8)
TURNS = extent(10, 50)


def _work_of_a_process(folder: str, number: int) -> list[int]:
    store = GitregStore(f"gitreg://{folder}")
    made = []
    for turn in range(TURNS):
        made.append(store.create_model_version("churn", f"no/source/{number}/{turn}").version)
        store.set_registered_model_alias("churn", f"alias{number}", made[-1])
    store.close()
    return made


def test_processes_at_once_lose_nothing(filled: GitregStore, folder: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as processes:
        made = processes.starmap(_work_of_a_process, [(str(folder), n) for n in range(PROCESSES)])
    numbers = [number for part in made for number in part]
    assert sorted(numbers) == list(range(3, 3 + PROCESSES * TURNS))
    model = filled.get_registered_model("churn")
    assert model.aliases == {f"alias{n}": part[-1] for n, part in enumerate(made)}
    found = filled.search_model_versions("name = 'churn'", max_results=1000)
    assert {mv.source for mv in found if mv.version > 2} == {
        f"no/source/{n}/{turn}" for n in range(PROCESSES) for turn in range(TURNS)
    }


def test_a_store_is_pickled(filled: GitregStore) -> None:
    copy = pickle.loads(pickle.dumps(filled))
    assert copy.get_model_version("churn", 2).version == 2
    copy.set_registered_model_alias("churn", "champion", 2)
    assert filled.get_model_version_by_alias("churn", "champion").version == 2
    with copy._link_to_run_lock:  # what MLflow's base class has is there again
        copy.close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_repository_made_anew_in_its_place_is_seen(filled: GitregStore, folder: Path) -> None:
    filled.get_registered_model("churn")
    aside = folder.with_name("aside")
    folder.rename(aside)
    with pytest.raises(MlflowException, match="neither a folder"):
        filled.get_registered_model("churn")
    Registry.init(folder)
    assert list(filled.search_registered_models()) == []
    assert filled.create_registered_model("fraud").name == "fraud"
    shutil.rmtree(folder)
    aside.rename(folder)
    assert filled.get_model_version("churn", 2).version == 2


def test_a_fork_has_registries_of_its_own(filled: GitregStore) -> None:
    filled.get_model_version("churn", 1)
    child = os.fork()
    if child == 0:
        try:
            filled.set_registered_model_alias("churn", "forked", 1)
            right = filled.get_model_version_by_alias("churn", "forked").version == 1
            os._exit(0 if right else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert filled.get_model_version_by_alias("churn", "forked").version == 1


# By URL


def test_by_url_every_write_is_published(shared: Path) -> None:
    origin = shared / "origin.git"
    config = shared / "work" / "registry" / ".dvc" / "config"
    config.write_text(config.read_text().replace("../../../dvc-remote", str(shared / "dvc-remote")))
    git(shared / "work", "commit", "--quiet", "-am", "absolute")
    git(shared / "work", "push", "--quiet")
    store = GitregStore(f"gitreg+file://{origin}")
    assert store.get_model_version_by_alias("churn", "champion").version == 2
    store.set_registered_model_alias("churn", "challenger", 3)
    assert git(origin, "log", "-1", "--format=%s") == "set churn@challenger to churn@3"
    assert store.get_model_version_by_alias("churn", "challenger").version == 3
    other = shared / "other"
    git(shared, "clone", "--quiet", str(origin), "other")
    with Registry(other) as registry:
        registry.set_alias("churn@1", "challenger", push=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "FRESH", 0.0)
        assert store.get_model_version_by_alias("churn", "challenger").version == 1
    with Registry(other) as registry:
        registry.set_alias("churn@2", "challenger", push=True)
    store.set_registered_model_alias("churn", "challenger", 3)  # the last one wins
    assert git(origin, "show", "HEAD:registry/churn/aliases/challenger.yaml") == "version: 3"
    store.close()


def test_what_others_have_just_made_is_there(shared: Path) -> None:
    config = shared / "work" / "registry" / ".dvc" / "config"
    config.write_text(config.read_text().replace("../../../dvc-remote", str(shared / "dvc-remote")))
    git(shared / "work", "commit", "--quiet", "-am", "absolute")
    git(shared / "work", "push", "--quiet")
    store = GitregStore(f"gitreg+file://{shared / 'origin.git'}")
    others = GitregStore(f"gitreg://{shared / 'work'}?push=true")
    for name in ("there", "moved", "read"):
        store.get_registered_model("churn")  # asked: this is fresh for a while
        others.create_registered_model(name)
        others.create_model_version(name, str(write_model(shared, name)))
        if name == "there":
            with pytest.raises(MlflowException) as raised:
                store.create_registered_model(name)
            assert code(raised) == "RESOURCE_ALREADY_EXISTS"
            assert store.create_model_version(name, str(write_model(shared, "two"))).version == 2
        elif name == "moved":
            store.set_registered_model_alias(name, "champion", 1)
        else:
            assert store.get_model_version(name, 1).version == 1
    store.get_registered_model("churn")
    others.create_registered_model("new")
    assert store.create_model_version("new", str(write_model(shared, "one"))).version == 1
    others.close()
    store.close()


def test_the_copies_may_be_removed_meanwhile(shared: Path) -> None:
    store = GitregStore(f"gitreg+file://{shared / 'origin.git'}")
    store.get_registered_model("churn")
    shutil.rmtree(cache_folder())
    assert store.get_model_version_by_alias("churn", "champion").version == 2
    store.close()


def test_with_push_a_clone_publishes(stocked: Path) -> None:
    store = GitregStore(f"gitreg://{stocked}?push=true")
    store.set_registered_model_alias("churn", "challenger", 3)
    assert git(stocked.parent / "origin.git", "log", "-1", "--format=%s") == (
        "set churn@challenger to churn@3"
    )
    store.close()


def test_readers_do_not_wait_for_the_one_that_asks(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = GitregStore(f"gitreg+file://{shared / 'origin.git'}")
    store.get_registered_model("churn")
    monkeypatch.setattr(pool, "FRESH", 0.0)
    store._pool._updated = 0.0
    with store._pool._updating:  # somebody else is asking
        done = threading.Event()

        def read() -> None:
            store.get_registered_model("churn")
            done.set()

        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        thread.join(30)
        assert done.is_set()
    store.close()


# The plugin


def test_the_plugin_imports_nothing() -> None:
    script = "import sys, gitreg.mlflow.plugin\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    ours = {name for name in loaded if name.startswith("gitreg")}
    assert ours == {"gitreg", "gitreg.errors", "gitreg.mlflow", "gitreg.mlflow.plugin"}
    heavy = {"mlflow", "dvc", "git", "gitdb", "ruamel.yaml", "sqlite3", "yaml", "subprocess"}
    assert not heavy & loaded


def test_the_plugin_builds_what_mlflow_asks_for(folder: Path) -> None:
    from gitreg.mlflow import plugin
    from gitreg.mlflow.artifact_repository import GitregArtifactRepository

    store = plugin.model_registry_store(store_uri=f"gitreg://{folder}", tracking_uri="http://x")
    assert isinstance(store, GitregStore)
    assert store._tracking_uri == "http://x"
    found = plugin.artifact_repository(f"gitreg://{folder}/-/churn/1")
    assert isinstance(found, GitregArtifactRepository)


OTHER_STORES = """
import mlflow, sys
from mlflow import MlflowClient
from mlflow.tracking._model_registry.utils import _get_store_registry
client = MlflowClient("sqlite:///" + sys.argv[1])
client.create_registered_model("churn")
assert client.get_registered_model("churn").name == "churn"
assert "gitreg.mlflow.store" not in sys.modules and "dvc" not in sys.modules
mlflow.set_tracking_uri("sqlite:///" + sys.argv[1])
mlflow.set_registry_uri("gitreg:///no/such/repository")
experiment = mlflow.create_experiment("e", artifact_location=sys.argv[1] + ".d")
with mlflow.start_run(experiment_id=experiment) as run:
    mlflow.log_metric("auc", 0.9)
assert MlflowClient().get_run(run.info.run_id).data.metrics == {"auc": 0.9}
try:
    MlflowClient().get_registered_model("churn")
except mlflow.MlflowException as error:
    print(error)
print("gitreg" in _get_store_registry()._registry)
"""


def test_other_stores_work_where_the_plugin_is_installed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", OTHER_STORES, str(tmp_path / "mlflow.db")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("True\n"), "pip install -e . makes the entry points"
    assert "/no/such/repository" in done.stdout
