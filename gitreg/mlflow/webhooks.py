"""Stores MLflow's webhooks of a registry in a database beside the history index, never in Git.

A webhook belongs to the server that calls it, not to the history of the registry, and nobody else
may read its secret. The secret is encrypted; the key is ``MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY``,
or a file beside the database that only its owner can read.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities.webhook import (
    Webhook,
    WebhookAction,
    WebhookEntity,
    WebhookEvent,
    WebhookStatus,
)
from mlflow.environment_variables import MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    BAD_REQUEST,
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.search_utils import SearchUtils
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.validation import (
    _validate_webhook_events,
    _validate_webhook_name,
    _validate_webhook_url,
)

_TABLES = """
CREATE TABLE IF NOT EXISTS webhooks (
    place INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, name TEXT NOT NULL, url TEXT NOT NULL,
    description TEXT, secret TEXT, status TEXT NOT NULL, created INTEGER NOT NULL,
    updated INTEGER NOT NULL, deleted INTEGER
);
CREATE TABLE IF NOT EXISTS events (
    id TEXT NOT NULL, entity TEXT NOT NULL, action TEXT NOT NULL, PRIMARY KEY (id, entity, action)
);
"""
_COLUMNS = "id, name, url, description, secret, status, created, updated"
_INSERT = f"INSERT INTO webhooks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_SELECT = f"SELECT {_COLUMNS} FROM webhooks WHERE deleted IS NULL"  # noqa: S608
_PATIENCE = 30.0
"""How long to wait for another process that uses the database, in seconds."""


class Webhooks:
    """The webhooks of one registry.

    Args:
        folder: returns the folder of the database; called when it is first needed.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder

    def create(
        self,
        name: str,
        url: str,
        events: Sequence[WebhookEvent],
        description: str | None,
        secret: str | None,
        status: WebhookStatus | None,
    ) -> Webhook:
        """Store a webhook and return it."""
        _validate_webhook_name(name)
        _validate_webhook_url(url)
        _validate_webhook_events(events)
        now = get_current_time_millis()
        state = (status or WebhookStatus.ACTIVE).value
        identity = str(uuid.uuid4())
        values = (identity, name, url, description, self._sealed(secret), state, now, now)
        with self._open() as db:
            db.execute(_INSERT, values)
            _subscribe(db, identity, events)
            return self._get(db, identity)

    def get(self, identity: str) -> Webhook:
        """Return a webhook.

        Raises:
            MlflowException: there is no webhook with that id.
        """
        with self._open() as db:
            return self._get(db, identity)

    def list(
        self,
        max_results: int | None,
        page_token: str | bytes | None,
        event: WebhookEvent | None = None,
    ) -> PagedList:
        """Return a page of webhooks, newest first; only those of ``event`` if it is given."""
        max_results = max_results or 100
        if max_results < 1 or max_results > 1000:
            raise MlflowException(
                "max_results must be between 1 and 1000.", error_code=INVALID_PARAMETER_VALUE
            )
        start = SearchUtils.parse_start_offset_from_page_token(page_token)
        query = _SELECT
        values: list[object] = []
        if event is not None:
            query += " AND id IN (SELECT id FROM events WHERE entity = ? AND action = ?)"
            values += [event.entity.value, event.action.value]
        query += " ORDER BY created DESC, place LIMIT ? OFFSET ?"
        with self._open() as db:
            rows = db.execute(query, (*values, max_results + 1, start)).fetchall()
            found = [self._webhook(db, row) for row in rows[:max_results]]
        more = len(rows) > max_results
        return PagedList(
            found, SearchUtils.create_page_token(start + max_results) if more else None
        )

    def update(
        self,
        identity: str,
        *,
        name: str | None,
        description: str | None,
        url: str | None,
        events: Sequence[WebhookEvent] | None,
        secret: str | None,
        status: WebhookStatus | None,
    ) -> Webhook:
        """Change the given fields of a webhook, and return it."""
        with self._open() as db:
            self._get(db, identity)
            if name is not None:
                _validate_webhook_name(name)
            if url is not None:
                _validate_webhook_url(url)
            if events is not None:
                _validate_webhook_events(events)
                db.execute("DELETE FROM events WHERE id = ?", (identity,))
                _subscribe(db, identity, events)
            changes = {
                "name": name,
                "url": url,
                "description": description,
                "secret": self._sealed(secret),
                "status": None if status is None else status.value,
                "updated": get_current_time_millis(),
            }
            for column, value in changes.items():
                if value is not None:
                    db.execute(
                        f"UPDATE webhooks SET {column} = ? WHERE id = ?",  # noqa: S608  our names
                        (value, identity),
                    )
            return self._get(db, identity)

    def delete(self, identity: str) -> None:
        """Delete a webhook with its events and its secret; its id stays marked as deleted."""
        with self._open() as db:
            self._get(db, identity)
            now = get_current_time_millis()
            db.execute(
                "UPDATE webhooks SET deleted = ?, updated = ?, secret = NULL WHERE id = ?",
                (now, now, identity),
            )
            db.execute("DELETE FROM events WHERE id = ?", (identity,))

    # Rows

    def _get(self, db: sqlite3.Connection, identity: str) -> Webhook:
        row = db.execute(f"{_SELECT} AND id = ?", (identity,)).fetchone()
        if row is None:
            raise MlflowException(
                f"Webhook with ID {identity} not found.", error_code=RESOURCE_DOES_NOT_EXIST
            )
        return self._webhook(db, row)

    def _webhook(self, db: sqlite3.Connection, row: tuple[Any, ...]) -> Webhook:
        identity, name, url, description, secret, status, created, updated = row
        events = db.execute(
            "SELECT entity, action FROM events WHERE id = ? ORDER BY rowid", (identity,)
        )
        return Webhook(
            webhook_id=identity,
            name=name,
            url=url,
            events=[WebhookEvent(WebhookEntity(e), WebhookAction(a)) for e, a in events.fetchall()],
            creation_timestamp=created,
            last_updated_timestamp=updated,
            description=description,
            status=WebhookStatus(status),
            secret=self._opened(secret),
        )

    # Secrets

    def _sealed(self, secret: str | None) -> str | None:
        if secret is None:
            return None
        sealed: bytes = self._cipher().encrypt(secret.encode())
        return sealed.decode()

    def _opened(self, sealed: str | None) -> str | None:
        from cryptography.fernet import InvalidToken

        if sealed is None:
            return None
        try:
            secret: bytes = self._cipher().decrypt(sealed.encode())
        except InvalidToken:
            raise MlflowException(
                "a webhook's secret was encrypted with another key: restore the old value of "
                "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY, or create the webhook again",
                error_code=INTERNAL_ERROR,
            ) from None
        return secret.decode()

    def _cipher(self) -> Any:
        from cryptography.fernet import Fernet

        key = MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY.get()
        return Fernet(key or self._own_key(Fernet.generate_key))

    def _own_key(self, make: Callable[[], bytes]) -> bytes:
        """Return the key in the file, creating it atomically if there is none."""
        path = self._folder() / "webhooks.key"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
            _private_file(draft, make())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        return path.read_bytes()

    # The file

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the database for one transaction.

        Raises:
            MlflowException: the database cannot be read or written.
        """
        path = self._folder() / "webhooks.sqlite"
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    _private_file(path, b"")
            with contextlib.closing(
                sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
            ) as db:
                db.execute("BEGIN IMMEDIATE")
                for table in _TABLES.split(";")[:-1]:
                    db.execute(table)
                yield db
                db.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise MlflowException(f"{path}: {error}", error_code=INTERNAL_ERROR) from error


def _subscribe(db: sqlite3.Connection, identity: str, events: Sequence[WebhookEvent]) -> None:
    values = [(identity, event.entity.value, event.action.value) for event in events]
    if len(set(values)) < len(values):
        raise MlflowException("an event is given twice", error_code=BAD_REQUEST)
    db.executemany("INSERT INTO events VALUES (?, ?, ?)", values)


def _private_file(path: Path, content: bytes) -> None:
    """Create a file that only its owner can read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
