"""Who asked MLflow's server is the author of the commit, where MLflow has made sure who that is."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, g
from hypothesis import given
from hypothesis import strategies as st
from mlflow.server import handlers

from gitreg.core.model.keys import email_of
from gitreg.git.repository import GitRepository
from gitreg.mlflow.callers import authenticated_user, author_of
from gitreg.mlflow.store import GitregStore
from tests.conftest import git

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

PASSWORD = "a-long-enough-password"
API = "/api/2.0/mlflow"
PEOPLE = "--format=%an <%ae>|%ce"
SERVER = "Ada Lovelace <ada@example.com>|ada@example.com"
HOSTILE = (
    "ada",
    "Ada Lovelace",
    "grace@example.com\ncommitter ceo <ceo@example.com> 0 +0000",
    "ceo <ceo@example.com>",
    "<>",
    "...",
    ".ada",
    "'ceo@example.com'",
    "ada@mlflow.invalid",
    "ada%20lovelace",
    " ",
    "żaneta\u202e",
    "名前",
    "x" * 3000,
)


@pytest.fixture
def app(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """MLflow's REST API on the registry in `folder`, that asks nobody who they are."""
    store = GitregStore(f"gitreg://{folder}")
    monkeypatch.setattr(handlers, "_model_registry_store", store)
    made = Flask("mlflow-without-authentication")
    for path, handler, methods in handlers.get_endpoints():
        made.add_url_rule(path, handler.__name__, handler, methods=methods)
    yield made
    store.close()


@pytest.fixture
def asking(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The same with MLflow's own authentication; its administrator is `admin`."""
    pytest.importorskip("flask_wtf", reason="MLflow's authentication is mlflow[auth]")
    from mlflow.server import auth

    monkeypatch.setenv("MLFLOW_FLASK_SERVER_SECRET_KEY", "static")
    monkeypatch.setattr(auth, "_auth_initialized", False)
    monkeypatch.setattr(auth, "store", auth.SqlAlchemyStore())
    configured = auth.auth_config._replace(
        database_uri=f"sqlite:///{tmp_path / 'auth.db'}",
        admin_username="admin",
        admin_password=PASSWORD,
        default_permission="MANAGE",
        grant_default_workspace_access=True,
    )
    monkeypatch.setattr(auth, "auth_config", configured)
    auth.create_app(app)
    yield app
    auth.store.engine.dispose()


def call(
    app: Flask, path: str, user: str | None = None, method: str = "POST", **fields: object
) -> TestResponse:
    headers = {}
    if user is not None:
        token = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    return app.test_client().open(f"{API}/{path}", method=method, json=fields, headers=headers)


def ok(app: Flask, path: str, user: str | None = None, method: str = "POST", **fields: Any) -> Any:
    done = call(app, path, user, method, **fields)
    assert done.status_code == 200, done.text
    return done.json


def add_user(name: str) -> None:
    from mlflow.server import auth

    auth.store.create_user(name, PASSWORD)


def people(folder: Path, count: int) -> list[str]:
    return git(folder, "log", f"-{count}", "--reverse", PEOPLE).splitlines()


def test_the_author_is_the_user_whom_mlflow_let_through(asking: Flask, folder: Path) -> None:
    add_user("grace@example.com")
    add_user("alan")
    ok(asking, "registered-models/create", "grace@example.com", name="hello")
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    for user in ("alan", "admin"):
        ok(
            asking,
            "model-versions/create",
            user,
            name="hello",
            source="prompt-template",
            tags=[*prompt, {"key": "mlflow.prompt.text", "value": f"Hello from {user}"}],
        )
    ok(
        asking,
        "model-versions/transition-stage",
        "alan",
        name="hello",
        version="1",
        stage="Production",
        archive_existing_versions=True,
    )
    ok(asking, "registered-models/alias", "grace@example.com", name="hello", alias="a", version="1")
    ok(asking, "model-versions/delete", "alan", "DELETE", name="hello", version="2")
    grace, alan, admin = (
        f"{who}|ada@example.com"
        for who in (
            "grace <grace@example.com>",
            "alan <alan@mlflow.invalid>",
            "admin <admin@mlflow.invalid>",
        )
    )
    assert people(folder, 6) == [grace, alan, admin, alan, grace, alan]
    path = "model-versions/get?name=hello&version=1"
    version = asking.test_client().get(f"{API}/{path}", auth=("alan", PASSWORD)).json
    assert version is not None
    assert version["model_version"]["user_id"] == "alan <alan@mlflow.invalid>"


def test_who_is_not_let_through_writes_nothing(asking: Flask, folder: Path) -> None:
    tip = git(folder, "rev-parse", "HEAD")
    for user in (None, "nobody", ""):
        assert call(asking, "registered-models/create", user, name="m").status_code == 401
    assert git(folder, "rev-parse", "HEAD") == tip


def test_users_at_once_are_not_taken_for_each_other(asking: Flask, folder: Path) -> None:
    names = [f"user{number}@example.com" for number in range(4)]
    for name in names:
        add_user(name)
    with ThreadPoolExecutor(len(names)) as pool:
        list(
            pool.map(
                lambda at: ok(
                    asking, "registered-models/create", at[0], name=f"{at[0][:5]}-{at[1]}"
                ),
                itertools.product(names, range(2)),
            )
        )
    for line in git(folder, "log", "-8", "--format=%ae %s").splitlines():
        address, _, subject = line.partition(" ")
        assert address.partition("@")[0] in subject


def test_no_name_breaks_a_commit_or_is_another_s(asking: Flask, folder: Path) -> None:
    for number, user in enumerate(HOSTILE):
        add_user(user)
        ok(asking, "registered-models/create", user, name=f"m{number}")
    authors = people(folder, len(HOSTILE))
    assert len({author.partition(" <")[2] for author in authors}) == len(HOSTILE)
    assert all(author.endswith("@mlflow.invalid>|ada@example.com") for author in authors)
    git(folder, "fsck", "--strict")
    # Git itself takes every author over as they are.
    git(folder, "rebase", "--quiet", "--force-rebase", f"HEAD~{len(HOSTILE)}")
    assert people(folder, len(HOSTILE)) == authors


def test_a_header_proves_nothing_where_nobody_is_asked(app: Flask, folder: Path) -> None:
    ok(app, "registered-models/create", "grace@example.com", name="m")
    assert people(folder, 1) == [SERVER]


def test_what_is_kept_of_a_request_proves_nothing_without_the_hook(
    asking: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Authorization": "Basic Z3JhY2U6eA=="}
    with Flask("another").test_request_context(headers=headers):
        g.mlflow_authenticated_user = "grace@example.com"
        assert authenticated_user() is None
    with asking.test_request_context(headers=headers):
        assert authenticated_user() is None  # not let through yet
        g.mlflow_authenticated_user = ""
        assert authenticated_user() is None
        g.mlflow_authenticated_user = "grace@example.com"
        assert authenticated_user() == "grace@example.com"
    with asking.app_context():
        g.mlflow_authenticated_user = "grace@example.com"
        assert authenticated_user() is None  # no request: a job of the server's own


@given(st.text(min_size=1))
def test_every_name_gives_an_author(user: str) -> None:
    repository = GitRepository(Path())
    name, email = author_of(user)
    with repository.authored_by(name, email):
        assert email_of(f"{name} <{email}>") == email


@given(st.lists(st.text(alphabet="aA.<>'\"% @\n%2E", min_size=1), min_size=2, unique=True))
def test_two_users_have_two_addresses(users: list[str]) -> None:
    assert len({author_of(user)[1] for user in users}) == len(users)
    assert len({author_of(f"{user}@x.org")[1] for user in users}) == len(users)
