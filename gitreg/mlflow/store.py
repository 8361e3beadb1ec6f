"""MLflow's model registry store on a Git registry: every call that changes something is a commit.

The store behaves like MLflow's SQL store: the same results, errors, filters and pages. Reads come
from a cache for the branch's current commit. A call that changes nothing makes no commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow.entities.model_registry.model_version_stages import (
    ALL_STAGES,
    DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS,
    get_canonical_stage,
)
from mlflow.exceptions import MlflowException
from mlflow.prompt.registry_utils import handle_resource_already_exist_error, has_prompt_tag
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.store.model_registry import (
    SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
    SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
)
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.utils.validation import (
    _REGISTERED_MODEL_ALIAS_LATEST,
    _validate_model_alias_name,
    _validate_model_alias_name_reserved,
    _validate_model_name,
    _validate_model_renaming,
    _validate_model_version,
    _validate_model_version_tag,
    _validate_registered_model_tag,
    _validate_tag_name,
)

from gitreg.core.model.names import ARCHIVE, Reference
from gitreg.errors import AlreadyExists, NotFound
from gitreg.mlflow import entities, search, uri
from gitreg.mlflow.arguments import checked
from gitreg.mlflow.artifact_repository import download_uri
from gitreg.mlflow.callers import on_behalf_of_caller
from gitreg.mlflow.commits import committed
from gitreg.mlflow.failures import translated
from gitreg.mlflow.pool import Pool
from gitreg.mlflow.reading import CommitCache, FolderCache, ModelRow, Reading
from gitreg.mlflow.serving import check_server
from gitreg.mlflow.sources import gathered, submitted
from gitreg.mlflow.webhooks import Webhooks
from gitreg.publishing.outcome import Outcome
from gitreg.registry import Registry

if TYPE_CHECKING:
    from mlflow.entities.model_registry import (
        ModelVersion,
        ModelVersionTag,
        RegisteredModel,
        RegisteredModelTag,
    )
    from mlflow.entities.webhook import Webhook, WebhookEvent, WebhookStatus
    from mlflow.store.entities.paged_list import PagedList

_Found = TypeVar("_Found")


@checked
class GitregStore(AbstractStore):
    """A registry as MLflow's model registry; one instance serves all threads of a process.

    Args:
        store_uri: the URI of the registry; see `gitreg.mlflow.uri`.
        tracking_uri: the URI of the tracking server, for runs and logged models.

    Raises:
        MlflowException: the URI is malformed, or this is a server that does not serve the artifacts
            of the registry. A missing registry is reported at the first call, so that users who
            only track runs need none.
    """

    def __init__(self, store_uri: str | None = None, tracking_uri: str | None = None) -> None:
        super().__init__(store_uri, tracking_uri)
        self._tracking_uri = tracking_uri
        with translated():
            self._uri = uri.parse(store_uri or "")
            check_server(self._uri)
        self._start()

    def _start(self) -> None:
        self._pool = Pool(self._uri)
        self._commit_cache = CommitCache(None)
        self._folder_cache = FolderCache()
        self._webhooks = Webhooks(self._private_folder)

    def __getstate__(self) -> dict[str, Any]:
        return {"_uri": self._uri, "_tracking_uri": self._tracking_uri}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._start()

    def close(self) -> None:
        """End the store's Git processes and close its files; it can still be used afterwards."""
        self._pool.close()

    # Reading and writing

    @contextmanager
    def _reading(self) -> Iterator[Reading]:
        with translated():
            self._pool.refresh()
            with self._pool.borrow() as registry:
                yield self._read(registry)

    def _found(self, look: Callable[[Reading], _Found]) -> _Found:
        """Return the result of ``look`` for a model or version that should exist.

        If it is missing in the copy of a registry used by URL, the copy is updated first, because
        somebody else may have created it since.
        """
        try:
            with self._reading() as reading:
                return look(reading)
        except MlflowException as error:
            if not (self._uri.is_url and isinstance(error.__cause__, NotFound)):
                raise
        with translated():
            self._pool.update()
        with self._reading() as reading:
            return look(reading)

    def _read(self, registry: Registry) -> Reading:
        state = registry.state()
        cache = self._commit_cache
        if cache.commit != state.commit or state.commit is None:
            cache = self._commit_cache = CommitCache(state.commit)
        return Reading(registry, state, cache, self._folder_cache)

    def _write(self, call: str, change: Callable[[Registry, str], Outcome]) -> None:
        """Commit one call of MLflow's; ``change`` gets a registry and the reason."""
        with translated(), self._pool.borrow() as registry, on_behalf_of_caller(registry):
            committed(registry, self._pool, lambda: change(registry, f"By MLflow's {call}."))

    @property
    def _push(self) -> bool:
        return self._uri.push

    def _private_folder(self) -> Path:
        with translated(), self._pool.borrow() as registry:
            return registry.private_dir

    # Registered models

    def create_registered_model(
        self,
        name: str,
        tags: Sequence[RegisteredModelTag] | None = None,
        description: str | None = None,
        deployment_job_id: str | None = None,  # noqa: ARG002  Databricks alone has these
    ) -> RegisteredModel:
        """Create a registered model; an existing one is an error."""
        _validate_model_name(name)
        for tag in tags or ():
            _validate_registered_model_tag(tag.key, tag.value)
        try:
            self._write(
                "create_registered_model",
                lambda registry, reason: registry.create_model(
                    name,
                    description=description,
                    tags={tag.key: tag.value for tag in tags or ()},
                    reason=reason,
                    push=self._push,
                ),
            )
        except MlflowException as error:
            if isinstance(error.__cause__, AlreadyExists):
                existing = self.get_registered_model(name)
                handle_resource_already_exist_error(
                    name, has_prompt_tag(existing._tags), has_prompt_tag(list(tags or ()))
                )
            raise
        return self.get_registered_model(name)

    def update_registered_model(
        self,
        name: str,
        description: str | None,
        deployment_job_id: str | None = None,  # noqa: ARG002  Databricks alone has these
    ) -> RegisteredModel:
        """Set a model's description; ``None`` removes it."""
        self._require(name)
        self._write(
            "update_registered_model",
            lambda registry, reason: registry.annotate(
                Reference(name), description=description or "", reason=reason, push=self._push
            ),
        )
        return self.get_registered_model(name)

    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        """Rename a model, with its versions, aliases and tags."""
        _validate_model_renaming(new_name)
        self._require(name)
        try:
            self._write(
                "rename_registered_model",
                lambda registry, reason: registry.rename_model(
                    name, new_name, reason=reason, push=self._push
                ),
            )
        except MlflowException as error:
            if isinstance(error.__cause__, AlreadyExists):
                raise MlflowException(
                    f"Registered Model (name={new_name}) already exists.",
                    error_code=RESOURCE_ALREADY_EXISTS,
                ) from error
            raise
        return self.get_registered_model(new_name)

    def delete_registered_model(self, name: str) -> None:
        """Delete a model with all of its versions, whatever stage they are in."""
        self._require(name)
        self._write(
            "delete_registered_model",
            lambda registry, reason: registry.delete_model(
                name, force=True, reason=reason, push=self._push
            ),
        )

    def get_registered_model(self, name: str) -> RegisteredModel:
        """Return a registered model with the newest version of each stage."""
        _validate_model_name(name)
        return self._found(lambda found: entities.registered_model(found, found.model(name)))

    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int = SEARCH_REGISTERED_MODEL_MAX_RESULTS_DEFAULT,
        order_by: Sequence[str] | None = None,
        page_token: str | bytes | None = None,
    ) -> PagedList:
        """Return a page of the models that match a filter; prompts only if it asks for them."""
        search.check_model_results(max_results)
        query = search.models_query(filter_string, order_by)
        with self._reading() as reading:
            rows = reading.models([name for name in reading.names if query.may_have(name)])
            return search.page(
                query.select(rows),
                max_results,
                page_token,
                lambda row: entities.registered_model(reading, row),
            )

    def get_latest_versions(
        self, name: str, stages: Sequence[str] | None = None
    ) -> list[ModelVersion]:
        """Return the newest version in each of the given stages; by default in every stage."""
        _validate_model_name(name)
        with self._reading() as reading:
            row = reading.model(name)
            wanted = {get_canonical_stage(stage) for stage in stages or ALL_STAGES}
            return [
                entities.model_version(version)
                for version in entities.latest_versions(reading, row)
                if entities.stage_of(version) in wanted
            ]

    def set_registered_model_tag(self, name: str, tag: RegisteredModelTag) -> None:
        """Set a tag of a model; its value can be ``None``."""
        _validate_model_name(name)
        _validate_registered_model_tag(tag.key, tag.value)
        self._require(name)
        self._annotate("set_registered_model_tag", Reference(name), tag.key, tag.value)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Delete a tag of a model; a missing tag is no error."""
        _validate_model_name(name)
        _validate_tag_name(key)
        if key in self._require(name).tags:
            self._untag("delete_registered_model_tag", Reference(name), key)

    # Versions

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Sequence[ModelVersionTag] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Register the next version of a model: its bytes if they can be downloaded, else a link.

        Bytes, run and logged model are read before any lock is taken.
        """
        _validate_model_name(name)
        for tag in tags or ():
            _validate_model_version_tag(tag.key, tag.value)
        submission = submitted(
            source,
            run_id,
            tuple(tags or ()),
            run_link,
            description,
            local_model_path,
            model_id,
            self._tracking_uri,
        )
        with translated():
            self._pool.update()  # somebody else may just have created the model
        with translated(), self._pool.borrow() as registry:
            reading = self._read(registry)
            with (
                gathered(name, submission, reading, strict=self._uri.strict) as material,
                on_behalf_of_caller(registry),
            ):
                reading.model(name)
                outcome = committed(
                    registry,
                    self._pool,
                    lambda: registry.register_artifact(
                        name,
                        material,
                        reason="By MLflow's create_model_version.",
                        push=self._push,
                    ),
                )
        (made,) = outcome.versions
        assert made.version is not None
        return self.get_model_version(name, made.version)

    def update_model_version(
        self, name: str, version: int | str, description: str | None = None
    ) -> ModelVersion:
        """Set a version's description; ``None`` removes it."""
        reference = self._existing(name, version)
        self._write(
            "update_model_version",
            lambda registry, reason: registry.annotate(
                reference, description=description or "", reason=reason, push=self._push
            ),
        )
        return self.get_model_version(name, version)

    def transition_model_version_stage(
        self, name: str, version: int | str, stage: str, archive_existing_versions: bool
    ) -> ModelVersion:
        """Move a version into a stage, and on request archive the versions that are there."""
        canonical = get_canonical_stage(stage)
        if archive_existing_versions and canonical not in DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS:
            raise MlflowException(
                "Model version transition cannot archive existing model versions "
                f"because '{stage}' is not an Active stage. "
                f"Valid stages are {DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS}"
            )
        reference = self._existing(name, version)
        self._write(
            "transition_model_version_stage",
            lambda registry, reason: registry.promote(
                reference,
                stage=canonical.lower(),
                keep_existing=not archive_existing_versions,
                replaced_to=ARCHIVE if archive_existing_versions else None,
                force=True,  # as MLflow does
                reason=reason,
                push=self._push,
            ),
        )
        return self.get_model_version(name, version)

    def delete_model_version(self, name: str, version: int | str) -> None:
        """Delete a version in any stage, with its aliases; its number is not used again."""
        reference = self._existing(name, version)
        self._write(
            "delete_model_version",
            lambda registry, reason: registry.delete(
                reference, force=True, reason=reason, push=self._push
            ),
        )

    def get_model_version(self, name: str, version: int | str) -> ModelVersion:
        """Return a version with its stage, aliases and tags."""
        _validate_model_name(name)
        number = _validate_model_version(version)
        return self._found(lambda found: entities.model_version(found.version(name, number)))

    def get_model_version_download_uri(self, name: str, version: int | str) -> str:
        """Return the URI of a version's verified, immutable artifact.

        On a server that serves artifacts of this registry, clients need no gitreg for it.
        """
        _validate_model_name(name)
        number = _validate_model_version(version)
        return download_uri(self._uri, self._found(lambda found: found.version(name, number).facts))

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = SEARCH_MODEL_VERSION_MAX_RESULTS_DEFAULT,
        order_by: Sequence[str] | None = None,
        page_token: str | bytes | None = None,
    ) -> PagedList:
        """Return a page of the versions that match a filter, without their aliases."""
        search.check_version_results(max_results)
        query = search.versions_query(filter_string, order_by)
        with self._reading() as reading:
            return search.page(
                query.select(reading.matching(query)),
                max_results,
                page_token,
                lambda row: entities.model_version(row, aliases=False),
            )

    def set_model_version_tag(self, name: str, version: int | str, tag: ModelVersionTag) -> None:
        """Set a tag of a version."""
        _validate_model_name(name)
        _validate_model_version(version)
        _validate_model_version_tag(tag.key, tag.value)
        reference = self._existing(name, version)
        self._annotate("set_model_version_tag", reference, tag.key, tag.value)

    def delete_model_version_tag(self, name: str, version: int | str, key: str) -> None:
        """Delete a tag of a version; a missing tag is no error."""
        _validate_model_name(name)
        number = _validate_model_version(version)
        _validate_tag_name(key)
        tags = self._found(lambda found: found.version(name, number)).tags
        if key in tags:
            self._untag("delete_model_version_tag", Reference(name, version=number), key)

    def _await_model_version_creation(self, mv: ModelVersion, await_creation_for: int) -> None:
        """Return at once: a version exists as soon as the call that creates it returns."""

    # Aliases

    def set_registered_model_alias(self, name: str, alias: str, version: int | str) -> None:
        """Point an alias at a version."""
        _validate_model_name(name)
        _validate_model_alias_name(alias)
        _validate_model_alias_name_reserved(alias)
        reference = self._existing(name, version)
        self._write(
            "set_registered_model_alias",
            lambda registry, reason: registry.set_alias(
                reference, alias, reason=reason, push=self._push
            ),
        )

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Delete an alias; a missing alias is no error."""
        _validate_model_name(name)
        _validate_model_alias_name(alias)
        if alias in self._require(name).model.aliases:
            self._delete(
                "delete_registered_model_alias",
                lambda registry, reason: registry.delete_alias(
                    name, alias, reason=reason, push=self._push
                ),
            )

    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        """Return the version that an alias names; ``latest`` is the version with the top number."""
        _validate_model_name(name)
        _validate_model_alias_name(alias)
        with self._reading() as reading:
            row = reading.model(name)
            if alias.lower() == _REGISTERED_MODEL_ALIAS_LATEST:
                number = row.model.latest
                if number is None:
                    raise MlflowException(
                        f"Latest version not found for model {name}.",
                        error_code=RESOURCE_DOES_NOT_EXIST,
                    )
            else:
                number = row.model.aliases.get(alias)
                if number is None:
                    raise MlflowException(
                        f"Registered model alias {alias} not found.",
                        error_code=INVALID_PARAMETER_VALUE,
                    )
            return entities.model_version(reading.version(name, number))

    # Shared by several calls

    def _require(self, name: str) -> ModelRow:
        """Return a model; if it is missing, raise the same error as the SQL store."""
        _validate_model_name(name)
        return self._found(lambda found: found.model(name))

    def _existing(self, name: str, version: int | str) -> Reference:
        """Return a version's reference; if it is missing, raise the same error as the SQL store."""
        _validate_model_name(name)
        number = _validate_model_version(version)
        self._found(lambda found: found.version(name, number))
        return Reference(name, version=number)

    def _annotate(self, call: str, reference: Reference, key: str, value: str | None) -> None:
        self._write(
            call,
            lambda registry, reason: registry.annotate(
                reference, tags={key: value}, reason=reason, push=self._push
            ),
        )

    def _untag(self, call: str, reference: Reference, key: str) -> None:
        self._delete(
            call,
            lambda registry, reason: registry.annotate(
                reference, untag=[key], reason=reason, push=self._push
            ),
        )

    def _delete(self, call: str, change: Callable[[Registry, str], Outcome]) -> None:
        """Delete something that just existed; if somebody else deleted it first, that is fine."""
        try:
            self._write(call, change)
        except MlflowException as error:
            if not isinstance(error.__cause__, NotFound):
                raise

    # Webhooks

    def create_webhook(
        self,
        name: str,
        url: str,
        events: list[WebhookEvent],
        description: str | None = None,
        secret: str | None = None,
        status: WebhookStatus | None = None,
    ) -> Webhook:
        """Create a webhook; its secret is encrypted and never stored in Git."""
        return self._webhooks.create(name, url, events, description, secret, status)

    def get_webhook(self, webhook_id: str) -> Webhook:
        """Return a webhook."""
        return self._webhooks.get(webhook_id)

    def list_webhooks(
        self, max_results: int | None = None, page_token: str | bytes | None = None
    ) -> PagedList:
        """Return a page of webhooks, newest first."""
        return self._webhooks.list(max_results, page_token)

    def list_webhooks_by_event(
        self,
        event: WebhookEvent,
        max_results: int | None = None,
        page_token: str | bytes | None = None,
    ) -> PagedList:
        """Return a page of the webhooks of an event, newest first."""
        return self._webhooks.list(max_results, page_token, event)

    def update_webhook(
        self,
        webhook_id: str,
        name: str | None = None,
        description: str | None = None,
        url: str | None = None,
        events: list[WebhookEvent] | None = None,
        secret: str | None = None,
        status: WebhookStatus | None = None,
    ) -> Webhook:
        """Change the given fields of a webhook."""
        return self._webhooks.update(
            webhook_id,
            name=name,
            description=description,
            url=url,
            events=events,
            secret=secret,
            status=status,
        )

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook."""
        self._webhooks.delete(webhook_id)
