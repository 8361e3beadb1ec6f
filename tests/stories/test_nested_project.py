"""`registry/` is a DVC project of its own: DVC's daily commands leave registered versions alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitreg import Registry
from gitreg.dvc import digest
from gitreg.dvc.registry_config import effective_config, registry_config
from gitreg.errors import DvcError
from tests.conftest import dvc_project, git, write_model
from tests.support.servers.s3 import S3Server

BUNDLE = Path(__file__).parents[1] / "data" / "former-layout.bundle"
"""A registry of the former layout, made by the release before: churn@1 to @3, tokenizer@1."""

STORE = "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n"
PIPELINE = """\
stages:
  train:
    cmd: mkdir -p models && cp params.yaml models/m.pkl
    deps: [train.py]
    params: [lr]
    outs: [models]
"""


def dvc(folder: Path, *args: str) -> str:
    command = [sys.executable, "-m", "dvc", *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", message)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A DVC project that trains a model, with a folder as its remote, published."""
    folder = tmp_path / "project"
    git(tmp_path, "init", "--quiet", "-b", "main", str(folder))
    git(tmp_path, "init", "--quiet", "--bare", "-b", "main", "origin.git")
    git(folder, "remote", "add", "origin", "../origin.git")
    # Not relative: `dvc artifacts get` reads a copy of the repository, elsewhere.
    dvc_project(folder, STORE.replace("../../store", str(tmp_path / "store")))
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "train.py").touch()
    return folder


def train(folder: Path, lr: float) -> None:
    (folder / "params.yaml").write_text(f"lr: {lr}\n")
    dvc(folder, "repro", "--quiet")
    commit(folder, f"train with {lr}")


def below(folder: Path) -> set[str]:
    """Return the objects of a cache or remote."""
    files = (path for path in (folder / "files" / "md5").rglob("*") if path.is_file())
    return {path.parent.name + path.name for path in files}


def test_dvc_s_daily_commands_leave_the_registry_alone(project: Path, tmp_path: Path) -> None:
    train(project, 0.1)
    Registry.init(project)
    with Registry(project) as registry:
        registry.register("churn", project / "models")
        train(project, 0.2)
        registry.register("churn", project / "models")
        registry.promote("churn@1", stage="production")
        registry.push()
    artifact = "registry/churn/versions/1/model"
    assert json.loads(dvc(project, "status", "--json")) == {}
    dvc(project, "commit", "--quiet", "--force")
    dvc(project, "push", "--quiet")
    dvc(project, "gc", "--quiet", "--workspace", "--cloud", "--force")
    dvc(project, "exp", "run", "--quiet", "-S", "lr=0.3")
    assert not (project / artifact).exists()

    # Only the registry has version 1 now, in its own cache and on its own remote.
    with Registry(project) as registry:
        assert (registry.pull("churn@1") / "m.pkl").read_text() == "lr: 0.1\n"
        assert [found for _, found in registry.verify(remote=True)] == [[], []]

    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "origin.git", "clone")
    dvc(clone, "pull", "--quiet")
    assert (clone / "models").is_dir()
    assert not (clone / artifact).exists()
    dvc(clone / "registry", "pull", "--quiet", "churn/versions/1/model.dvc")
    assert (clone / artifact / "m.pkl").read_text() == "lr: 0.1\n"
    dvc(clone, "artifacts", "get", str(project), "churn", "--stage", "production", "-o", "got")
    assert (clone / "got" / "m.pkl").read_text() == "lr: 0.1\n"
    assert git(clone, "status", "--porcelain", "registry") == ""


def test_what_dvc_has_hashed_is_linked_not_copied(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(project, 0.1)
    dvc(project, "push", "--quiet")
    Registry.init(project)
    read: list[Path] = []
    monkeypatch.setattr(digest, "copy_and_md5", lambda source, *_: read.append(source))
    with Registry(project) as registry:
        registry.register("churn", project / "models", push=True)
    assert read == []
    for outer, inner in (
        (project / ".dvc" / "cache", project / "registry" / ".dvc" / "cache"),
        (project.parent / "store", project.parent / "store" / "registry"),
    ):
        objects = below(inner)
        assert len(objects) == 2
        for oid in objects:
            one, other = (place / "files/md5" / oid[:2] / oid[2:] for place in (outer, inner))
            assert one.samefile(other) or one.stat().st_dev != other.stat().st_dev
    shutil.rmtree(project / ".dvc" / "cache")
    with Registry(project) as registry:
        assert (registry.pull("churn@1") / "m.pkl").read_text() == "lr: 0.1\n"


def test_a_damaged_object_of_the_project_does_not_come_in(project: Path) -> None:
    train(project, 0.1)
    dvc(project, "push", "--quiet")
    Registry.init(project)
    for path in (project / ".dvc" / "cache").rglob("*"):
        if path.is_file() and path.suffix != ".dir":
            path.chmod(0o644)  # DVC's mark of unchecked bytes
            path.write_text("xx: 0.1\n")
    with Registry(project) as registry:
        registry.register("churn", project / "models", push=True)
        assert (registry.pull("churn@1") / "m.pkl").read_text() == "lr: 0.1\n"
        assert next(registry.verify("churn@1"))[1] == []


def test_the_first_push_gives_the_registry_its_remote(project: Path, tmp_path: Path) -> None:
    (project / ".dvc" / "config").write_text("")
    commit(project, "no remote yet")
    Registry.init(project)
    with Registry(project) as registry:
        registry.register("churn", write_model(project, "one", "one"))
        with pytest.raises(DvcError, match="no DVC remote is configured"):
            registry.register("churn", write_model(project, "two", "two"), push=True)
    (project / ".dvc" / "config").write_text(STORE)
    commit(project, "a remote")
    with Registry(project) as registry:
        registry.push()
        assert "store/registry" in git(project, "show", "origin/main:registry/.dvc/config")
        assert registry.register("churn", write_model(project, "two", "two"), push=True).pushed
        assert registry.check("origin/main~1..origin/main").findings == ()
    git(tmp_path, "clone", "--quiet", "origin.git", "clone")
    with Registry(tmp_path / "clone") as clone:
        assert (clone.pull("churn@1") / "model.pkl").read_text() == "one"
        assert (clone.pull("churn@2") / "model.pkl").read_text() == "two"


def test_the_remote_comes_with_what_is_redone(project: Path, tmp_path: Path) -> None:
    """Somebody else published first, and the registry has no remote yet."""
    (project / ".dvc" / "config").write_text("")
    commit(project, "no remote yet")
    Registry.init(project)
    (project / ".dvc" / "config").write_text(STORE)
    commit(project, "a remote")
    git(project, "push", "--quiet", "origin", "main")
    git(tmp_path, "clone", "--quiet", "origin.git", "other")
    (tmp_path / "other" / "notes.md").touch()
    commit(tmp_path / "other", "notes")
    git(tmp_path / "other", "push", "--quiet", "origin", "main")
    with Registry(project) as registry:
        registry.register("churn", write_model(project))
        assert [sent.subject for sent in registry.push().sent] == ["register churn@1"]
    assert "store/registry" in git(project, "show", "origin/main:registry/.dvc/config")
    assert git(project, "show", "--format=", "--name-only", "origin/main~1") == "notes.md"


# On S3, with the secrets in `config.local`


def test_s3_copies_on_its_side_and_secrets_stay_out_of_git(
    project: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = s3.client
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    url = s3.url(project.parent.name)
    (project / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n"
        f"    endpointurl = {s3.endpoint}\n    region = us-east-1\n"
    )
    (project / ".dvc" / "config.local").write_text(
        f"['remote \"store\"']\n    access_key_id = {keys['AWS_ACCESS_KEY_ID']}\n"
        f"    secret_access_key = {keys['AWS_SECRET_ACCESS_KEY']}\n"
    )
    train(project, 0.1)
    dvc(project, "push", "--quiet")
    Registry.init(project)
    from s3fs import S3FileSystem  # type: ignore[import-untyped]

    sent: list[str] = []
    uploads = S3FileSystem._put_file

    async def counted(self: S3FileSystem, path: str, *args: object, **options: object) -> object:
        sent.append(path)
        return await uploads(self, path, *args, **options)

    monkeypatch.setattr(S3FileSystem, "_put_file", counted)
    with Registry(project) as registry:
        registry.register("churn", project / "models", push=True)
        assert sent == []
        registry.register("churn", write_model(project), push=True)
        assert len(sent) == 3
        shutil.rmtree(project / "registry" / ".dvc" / "cache")
        shutil.rmtree(project / ".dvc" / "cache")
        assert (registry.pull("churn@1") / "m.pkl").read_text() == "lr: 0.1\n"
    history = git(project, "log", "--all", "-p")
    assert f"url = {url}/registry" in history
    assert keys["AWS_SECRET_ACCESS_KEY"] not in history
    assert keys["AWS_ACCESS_KEY_ID"] not in history


def level(store: dict[str, str], **core: str) -> dict[str, Any]:
    return {"core": core, "remote": {"store": store} if store else {}, "cache": {}}


@pytest.mark.parametrize(
    ("url", "lent"),
    [
        ("s3://bucket/dvc/registry", True),
        ("s3://elsewhere/dvc/registry", False),
        ("s3://bucket/dvc/registry/more", False),
    ],
)
def test_a_commit_that_repoints_the_remote_gets_no_secrets(url: str, lent: bool) -> None:
    own = level({"url": url}, remote="store")
    around = level({"url": "s3://bucket/dvc", "password": "secret"}, remote="store")
    local = level({"url": "s3://mine", "password": "secret"})
    found = effective_config(own, own, level({}), around, local)["remote"]["store"]
    assert found["url"] == url
    assert found.get("password") == ("secret" if lent else None)


def test_what_is_derived_from_a_configuration() -> None:
    around = (
        b"[core]\n    remote = Models\n    autostage = true\n"
        b"[cache]\n    dir = ../../shared\n    shared = group\n"
        b"['remote \"models\"']\n    url = remote://base/models/\n    jobs = 4\n"
        b"    version_aware = true\n"
        b"['remote \"base\"']\n    url = ssh://host/srv\n    keyfile = keys/id\n"
        b"['remote \"other\"']\n    url = /other\n"
    )
    assert registry_config(None, around).decode() == (
        "[core]\n    remote = models\n[cache]\n    dir = ../../../shared/registry\n"
        "    shared = group\n"
        '[remote "models"]\n    url = remote://base/models/registry\n    jobs = 4\n'
        '[remote "base"]\n    url = ssh://host/srv\n    keyfile = ../../.dvc/keys/id\n'
    ).replace("[remote", "['remote").replace('"]', "\"']")
    own = b"# ours\n[core]\nremote = mine\n['remote \"mine\"']\nurl = /mine\n"
    assert registry_config(own, around) == own
    assert registry_config(None, None) == b"[core]\n[cache]\n    dir = cache\n"


def test_a_configuration_outside_ascii() -> None:
    around = "[core]\nremote = s\n['remote \"s\"']\nurl = s3://modèles/zoë\n".encode()
    derived = registry_config(None, around)
    assert "    url = s3://modèles/zoë/registry\n" in derived.decode()
    own = "# für uns\n[core]\n".encode()
    assert registry_config(own, around).decode().startswith("# für uns\n[core]\n")
    assert registry_config(derived, around) == derived


# The former layout


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """A registry of the former layout, with its DVC remote in the folder ``store``."""
    git(tmp_path, "clone", "--quiet", "-b", "main", str(BUNDLE), "former")
    folder = tmp_path / "former"
    shutil.move(folder / ".dvc" / "storage", tmp_path / "store")
    (folder / ".dvc" / "config").write_text(STORE)
    commit(folder, "the remote moved")
    git(tmp_path, "clone", "--quiet", "--bare", "former", "host.git")
    git(folder, "remote", "set-url", "origin", "../host.git")
    git(folder, "fetch", "--quiet", "origin")
    return folder


def test_a_registry_of_the_former_layout_goes_on_working(former: Path) -> None:
    with Registry(former) as registry:
        assert (registry.pull("churn@champion") / "model.pkl").read_text() == "weights 2"
        assert all(found == [] for _, found in registry.verify())
        assert [f.remedy for f in registry.doctor() if f.code == "former-layout"] == ["gitreg init"]
        assert registry.register("churn", write_model(former, "weights 4"), push=True).pushed
    assert not (former / "registry" / ".dvc").exists()


def test_init_moves_it_over_in_one_commit(former: Path, tmp_path: Path) -> None:
    before = git(former, "rev-parse", "HEAD")
    with Registry(former) as registry:
        registry.pull("churn@2")  # its bytes are in the project's cache
    outcome = Registry.init(former)
    assert outcome.warnings == ()
    assert outcome.change.subject == "make the model registry a DVC project of its own"
    changed = git(former, "diff", "--name-only", before, "HEAD").split()
    assert changed == ["registry/.dvc/.gitignore", "registry/.dvc/config"]
    with Registry(former) as registry:
        assert registry.check(f"{before}..HEAD").findings == ()
        registry.push()
        assert not {"former-layout", "not-moved"} & {f.code for f in registry.doctor()}
    # The project's own cache and remote are emptied, as `dvc gc --cloud` does.
    shutil.rmtree(former / ".dvc" / "cache")
    shutil.rmtree(tmp_path / "store" / "files")
    with Registry(former) as registry:
        for reference in ("churn@1", "churn@2", "churn@3", "tokenizer@1"):
            registry.pull(reference, tmp_path / reference)
        assert registry.pull("churn@2", tmp_path / "old", rev=before).is_dir()
        assert all(found == [] for _, found in registry.verify(remote=True))
    git(tmp_path, "clone", "--quiet", "host.git", "clone")
    with Registry(tmp_path / "clone") as clone:
        assert (clone.pull("churn@1") / "model.pkl").read_text() == "weights 1"
    git(former, "switch", "--quiet", "--detach", before)
    with Registry(former) as registry:  # both ways through history
        assert registry.pull("churn@3", tmp_path / "back", rev="main").is_dir()


def test_a_move_without_the_remote_is_finished_later(former: Path, tmp_path: Path) -> None:
    (tmp_path / "store").rename(tmp_path / "unplugged")
    outcome = Registry.init(former)
    assert "gitreg verify --remote --repair" in outcome.warnings[0]
    with Registry(former) as registry:
        lost = [f for f in registry.doctor() if f.code == "artifact-missing"]
        assert len(lost) == 4
        assert all(f"there is no folder {tmp_path / 'store'}" in f.message for f in lost)
        assert all(str(f.remedy).startswith("is it mounted? if so, ") for f in lost)
    (tmp_path / "unplugged").rename(tmp_path / "store")
    with Registry(former) as registry:
        # What only the project's remote has is found there.
        assert (registry.pull("churn@1") / "model.pkl").read_text() == "weights 1"
        told = {f.subject: f.remedy for f in registry.doctor() if f.code == "not-moved"}
        assert told["churn@1"] == "gitreg verify --remote --repair churn@1"
        assert len(told) == 4
        list(registry.verify(remote=True, repair=True))
        assert not [f for f in registry.doctor() if f.code == "not-moved"]
    assert len(below(tmp_path / "store" / "registry")) == 8
