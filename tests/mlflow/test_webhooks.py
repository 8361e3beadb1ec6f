"""Webhooks as in MLflow's SQL store, outside Git; their secrets in clear nowhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

from gitreg.mlflow.store import GitregStore
from tests.conftest import git

URL = "https://93.184.216.34/hook"  # an address: no name is looked up
CREATED = WebhookEvent.from_str("registered_model.created")
MOVED = WebhookEvent.from_str("model_version_alias.created")
TAGGED = WebhookEvent.from_str("model_version_tag.set")


@pytest.fixture
def store(folder: Path) -> Iterator[GitregStore]:
    opened = GitregStore(f"gitreg://{folder}")
    yield opened
    opened.close()


def code(call: Any, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(MlflowException) as raised:
        call(*args, **kwargs)
    return str(raised.value.error_code)


def test_a_webhook_lives(store: GitregStore) -> None:
    made = store.create_webhook("hook", URL, [CREATED, MOVED], "about", "s3cret")
    assert (made.name, made.url, made.description, made.secret) == ("hook", URL, "about", "s3cret")
    assert (made.status, made.events) == (WebhookStatus.ACTIVE, [CREATED, MOVED])
    assert made.creation_timestamp == made.last_updated_timestamp
    assert vars(store.get_webhook(made.webhook_id)) == vars(made)
    changed = store.update_webhook(
        made.webhook_id, name="other", events=[TAGGED], secret="new", status=WebhookStatus.DISABLED
    )
    assert (changed.name, changed.secret, changed.description) == ("other", "new", "about")
    assert (changed.events, changed.status) == ([TAGGED], WebhookStatus.DISABLED)
    assert store.update_webhook(made.webhook_id, url=URL + "/2", description="").description == ""
    store.delete_webhook(made.webhook_id)
    assert code(store.get_webhook, made.webhook_id) == "RESOURCE_DOES_NOT_EXIST"
    assert code(store.delete_webhook, made.webhook_id) == "RESOURCE_DOES_NOT_EXIST"
    assert code(store.update_webhook, made.webhook_id, name="x") == "RESOURCE_DOES_NOT_EXIST"
    assert list(store.list_webhooks()) == []


MALFORMED: list[tuple[Any, ...]] = [
    ("", URL, [CREATED]),
    ("a b", URL, [CREATED]),
    ("a", "ftp://x", [CREATED]),
    ("a", URL, []),
    ("a", URL, ["x"]),
    ("a", "https://127.0.0.1/x", [CREATED]),
]


def test_what_is_wrong_is_refused(store: GitregStore) -> None:
    for arguments in MALFORMED:
        assert code(store.create_webhook, *arguments) == "INVALID_PARAMETER_VALUE"
    made = store.create_webhook("a", URL, [CREATED])
    changes: list[dict[str, Any]] = [{"name": "a b"}, {"url": "x"}, {"events": []}]
    for change in changes:
        assert code(store.update_webhook, made.webhook_id, **change) == "INVALID_PARAMETER_VALUE"
    assert vars(store.get_webhook(made.webhook_id)) == vars(made)
    twice = [TAGGED, CREATED, TAGGED]
    assert code(store.create_webhook, "b", URL, twice) == "BAD_REQUEST"
    assert code(store.update_webhook, made.webhook_id, events=twice) == "BAD_REQUEST"
    assert [vars(webhook) for webhook in store.list_webhooks()] == [vars(made)]
    for most in (-1, 1001):
        assert code(store.list_webhooks, most) == "INVALID_PARAMETER_VALUE"
        assert code(store.list_webhooks_by_event, CREATED, most) == "INVALID_PARAMETER_VALUE"


def test_pages_and_events(store: GitregStore) -> None:
    made = [
        store.create_webhook(f"hook{n}", URL, [CREATED, MOVED] if n % 2 else [MOVED]).webhook_id
        for n in range(5)
    ]
    seen, token = [], None
    while True:
        page = store.list_webhooks(2, token)
        assert len(page) <= 2
        seen += [hook.webhook_id for hook in page]
        token = page.token
        if token is None:
            break
    assert sorted(seen) == sorted(made)
    found = store.list_webhooks_by_event(CREATED)
    assert {hook.name for hook in found} == {"hook1", "hook3"}
    assert len(store.list_webhooks_by_event(MOVED, 3)) == 3
    assert store.list_webhooks_by_event(MOVED, 3).token is not None
    assert list(store.list_webhooks_by_event(TAGGED)) == []


def test_the_secret_is_in_clear_nowhere(
    store: GitregStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create_webhook("hook", URL, [CREATED], secret="correct-horse-battery")
    store.create_registered_model("churn")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in files if b"correct-horse-battery" in path.read_bytes()]
    private = folder / ".git" / "gitreg"
    for name in ("webhooks.sqlite", "webhooks.key"):
        assert stat.S_IMODE((private / name).stat().st_mode) == 0o600
    assert not list(private.glob(".webhooks*"))
    assert git(folder, "status", "--porcelain") == ""
    assert "webhook" not in git(folder, "ls-files")
    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", Fernet.generate_key().decode())
    assert code(store.list_webhooks) == "INTERNAL_ERROR"
    given = store.create_webhook("other", URL, [MOVED], secret="another")
    assert store.get_webhook(given.webhook_id).secret == "another"
    monkeypatch.delenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY")
    assert store.list_webhooks_by_event(CREATED)[0].secret == "correct-horse-battery"


def test_all_workers_share_one_key(store: GitregStore, folder: Path) -> None:
    others = [GitregStore(f"gitreg://{folder}") for _ in range(6)]

    def create(number: int) -> str:
        hook = others[number].create_webhook(f"hook{number}", URL, [CREATED], secret=f"s{number}")
        return str(hook.webhook_id)

    with ThreadPoolExecutor(6) as threads:
        made = list(threads.map(create, range(6)))
    assert [store.get_webhook(one).secret for one in made] == [f"s{n}" for n in range(6)]
    for other in others:
        other.close()


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_cannot_be_written_is_told(store: GitregStore, folder: Path) -> None:
    private = folder / ".git" / "gitreg"
    private.chmod(0o500)
    assert code(store.create_webhook, "hook", URL, [CREATED]) == "INTERNAL_ERROR"
    private.chmod(0o700)


def test_a_damaged_database_is_told(store: GitregStore, folder: Path) -> None:
    (folder / ".git" / "gitreg" / "webhooks.sqlite").write_bytes(b"no database" * 100)
    assert code(store.list_webhooks) == "INTERNAL_ERROR"
