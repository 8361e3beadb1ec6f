"""The methods of `Registry` that write: each makes one commit, and publishes it if requested."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import gitreg
from gitreg.core.documents.yaml import Value
from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.names import check_model_name
from gitreg.errors import InvalidRequest
from gitreg.registry.moving import Moving
from gitreg.registry.options import Unpack, WriteOptions, WriteSettings
from gitreg.registry.references import ReferenceLike, checked_text, existing, listed, reference_of


class Writing(Moving):
    """What writes: each method builds an operation and commits it; see `Registry`."""

    # Versions

    def register(
        self,
        name: str,
        source: str | os.PathLike[str],
        *,
        metrics: Mapping[str, int | float] | str | os.PathLike[str] | None = None,
        params: Mapping[str, Value] | str | os.PathLike[str] | None = None,
        tags: Mapping[str, str] | None = None,
        data: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        description: str | None = None,
        requirements: str | os.PathLike[str] | None = None,
        run_id: str | None = None,
        evaluations: Sequence[str | os.PathLike[str]] = (),
        **options: Unpack[WriteOptions],
    ) -> gitreg.Outcome:
        """Register the next version of a model; the first version creates the model.

        Args:
            name: the model.
            source: a file, a folder, or a ``.dvc`` file. If DVC tracks it, its known hash is used,
                and the DVC stage's dependencies, params, metrics and command are recorded.
            metrics: values, or a JSON, YAML or TOML file of them; replace those of the DVC stage.
            params: values, or a file of them; replace those of the DVC stage.
            tags: free texts, which may change later.
            data: files or folders that it was trained on, besides those that DVC knows.
            description: a text, which may change later.
            requirements: a frozen environment, instead of this interpreter's.
            run_id: the tracking run that made it; an MLflow model folder names its own.
            evaluations: files of what was measured on named data, each with ``name``, ``data`` and
                ``metrics``.
            **options: see `WriteOptions`.
        """
        from gitreg.artifacts.collect import found_out

        settings = WriteSettings.of(options)
        if not os.fspath(source):
            raise InvalidRequest("the path of the source is empty")
        paths = (data,) if isinstance(data, (str, os.PathLike)) else tuple(data)
        return self._register(
            name,
            lambda: found_out(
                self._written,
                Path(source),
                metrics=metrics,
                params=params,
                tags=tags,
                data=tuple(Path(path) for path in paths),
                description=description,
                requirements=None if requirements is None else Path(requirements),
                run_id=run_id,
                evaluations=tuple(Path(path) for path in evaluations),
            ),
            settings,
        )

    def register_artifact(
        self, name: str, material: gitreg.Provenance, **options: Unpack[WriteOptions]
    ) -> gitreg.Outcome:
        """Register a version from values that the caller knows; nothing else is looked up.

        Args:
            name: the model.
            material: the bytes and everything known about them. Its ``created_at`` also becomes
                the author date of the commit.
            **options: see `WriteOptions`.

        Returns:
            The outcome; its warnings name what did not fit into a manifest and was left out.

        Raises:
            AlreadyExists: the requested version number is taken.
        """
        from gitreg.artifacts.provenance import fitting

        return self._register(
            checked_text(name, "a model"),
            lambda: fitting(material),
            WriteSettings.of(options),
            authored_at=_moment(material.created_at),
        )

    def _register(
        self,
        name: str,
        provenance: Callable[[], gitreg.Provenance],
        settings: WriteSettings,
        authored_at: int | None = None,
    ) -> gitreg.Outcome:
        from gitreg.artifacts.collect import collect
        from gitreg.core.state.change import check_reason

        check_reason(settings.reason)  # before a gigabyte is read for nothing
        state = existing(self._found())
        operation = collect(
            self._written,
            self._artifacts,
            state,
            self._write_index,
            name,
            provenance,
            published=self._published_tags(name) if self._publishes(settings) else None,
            beside=self._default_beside(fetch=self._publishes(settings)),
            push=self._publishes(settings),
            dry_run=settings.dry_run,
            progress=self._progress,
        )
        return self._write(operation, settings, authored_at=authored_at)

    def annotate(
        self,
        reference: ReferenceLike,
        *,
        description: str | None = None,
        owner: str | None = None,
        tags: Mapping[str, str | None] | None = None,
        untag: Sequence[str] = (),
        **options: Unpack[WriteOptions],
    ) -> gitreg.Outcome:
        """Set description, owner and tags of a model, or description and tags of a version."""
        from gitreg.core.operations.annotate import Annotation, annotate

        settings = WriteSettings.of(options)
        request = Annotation(
            reference_of(reference), description, owner, dict(tags or {}), tuple(listed(untag))
        )
        # Two annotations of one version differ only by their text: each has a branch of its own.
        return self._write(lambda state: annotate(state, request), settings, topic=repr(request))

    def delete(
        self, reference: ReferenceLike, *, force: bool = False, **options: Unpack[WriteOptions]
    ) -> gitreg.Outcome:
        """Delete a version; its number stays taken, and who deleted it and why stays recorded.

        Args:
            reference: which version.
            force: remove it from its stage, and its aliases too, in the same commit.
            **options: see `WriteOptions`; the reason is also shown to anybody who looks for the
                version later.

        Raises:
            Refused: without force, a stage other than the archive holds it, or an alias names it;
                with force, a rule of the stage refuses, or the alias is protected.
        """
        from gitreg.core.operations.delete import delete

        settings = WriteSettings.of(options)
        wanted = reference_of(reference)
        tombstone = self._tombstone(settings.reason)
        return self._write(
            lambda state: delete(
                state, wanted, tombstone, self._mover(state, pr=settings.pr), force=force
            ),
            settings,
        )

    # Evaluations

    def who_and_when(self) -> tuple[str, str]:
        """Return the author of a commit made now, ``Name <email>``, and the time in UTC."""
        who = self._written.signature("AUTHOR")
        return who.person, who.utc

    @property
    def top_level(self) -> Path | None:
        """The root of the work tree; ``None`` for a URL, and for a repository without one."""
        return None if self._url is not None else self._repository.top_level

    def add_evaluations(
        self, measured: Sequence[gitreg.Measured], **options: Unpack[WriteOptions]
    ) -> gitreg.Outcome:
        """Add what was measured of versions on named data; `gitreg.evaluation` runs the command.

        Args:
            measured: one for each version; nothing is committed if all are there already.
            **options: see `WriteOptions`.

        Raises:
            NotFound: a version is not there.
            Refused: a version has another evaluation of this name.
        """
        from gitreg.artifacts.evaluations import evaluated
        from gitreg.core.operations.evaluate import evaluate

        settings = WriteSettings.of(options)
        request = evaluated(
            self._written,
            self._artifacts,
            existing(self._found()),
            measured,
            dry_run=settings.dry_run,
        )
        return self._write(lambda state: evaluate(state, request), settings)

    def record_reproduction(
        self, reference: ReferenceLike, statement: gitreg.Statement, **options: Unpack[WriteOptions]
    ) -> gitreg.Outcome:
        """Record that a version was made again; `gitreg.reproduce` makes the statement.

        It is signed with the user's key where ``user.signingkey`` names an SSH key.

        Args:
            reference: which version.
            statement: what came out.
            **options: see `WriteOptions`; a dry run signs too, to show that the key can.

        Raises:
            InvalidRequest: the statement is about other bytes than the version's.
            GitError: the key cannot sign; nothing was written.
        """
        from gitreg.approvals.reproductions import signature_of
        from gitreg.core.operations.record import Recording, record

        settings = WriteSettings.of(options)
        request = Recording(
            reference_of(reference), statement, signature_of(self._written, statement)
        )
        return self._write(lambda state: record(state, request), settings, topic=repr(statement))

    # Approvals

    def approve(
        self,
        preview: gitreg.ApprovalPreview,
        *,
        key: str | None = None,
        **options: Unpack[WriteOptions],
    ) -> gitreg.Outcome:
        """Approve that a version enters a stage: sign what the preview shows, and commit that.

        Args:
            preview: what `preview_approval` returned, and a person looked at.
            key: instead of Git's ``user.signingkey``: a file, or ``key::`` and a public key.
            **options: see `WriteOptions`; a dry run signs too, to show that the key can.

        Raises:
            Refused: the approval would not count (the key is not one of the policy's signers', is
                revoked, or belongs to the person who registered the version), or what the preview
                shows has changed.
            GitError: there is no key, or it cannot sign; nothing was written.
        """
        from gitreg.approvals.giving import approving

        settings = WriteSettings.of(options)
        operation = approving(self._written, self._found(), self._write_index, preview, key)
        return self._write(operation, settings, topic=self._signer(key))

    def withdraw_approval(
        self,
        reference: ReferenceLike,
        *,
        stage: str,
        key: str | None = None,
        **options: Unpack[WriteOptions],
    ) -> gitreg.Outcome:
        """Withdraw the approval that was made with a key; see `approve`.

        Raises:
            NotFound: there is none.
            Refused: the key is not one of the policy's signers'.
        """
        from gitreg.approvals.giving import withdrawing

        settings = WriteSettings.of(options)
        wanted = reference_of(reference)
        operation = withdrawing(
            self._written, self._found(), wanted, checked_text(stage, "a stage"), key
        )
        return self._write(operation, settings, topic=self._signer(key))

    def _signer(self, key: str | None) -> str:
        """Return what tells the approvals of several people apart, for their branches."""
        return f"by {key or self._written.config('user.signingkey')}"

    # Deployments

    def render(self, **options: Unpack[WriteOptions]) -> gitreg.Outcome:
        """Make every file that the policy's ``renders`` name say what its stage holds.

        Moves write them already; this is for a policy that changed, and for files that somebody
        else changed. Rendered files that no rule names any more are removed.

        Args:
            **options: see `WriteOptions`.

        Raises:
            Refused: a file that gitreg did not render is in the place of one.
        """
        from gitreg.publishing.renders import rendering

        operation = rendering(self._written, self._write_index)
        return self._write(operation, WriteSettings.of(options))

    # Models

    def create_model(
        self,
        name: str,
        *,
        description: str | None = None,
        owner: str | None = None,
        tags: Mapping[str, str | None] | None = None,
        created_at: str | None = None,
        **options: Unpack[WriteOptions],
    ) -> gitreg.Outcome:
        """Create a model without versions; `register` creates one with its first version.

        Under the name of a deleted model this is a new model, whose versions start at 1.

        Args:
            name: the model.
            description: a text, which may change later.
            owner: who answers for it, which may change later.
            tags: free texts, which may change later.
            created_at: when it was created elsewhere, in UTC, ``2026-11-22T20:25:06Z``; also the
                author date of the commit. Now by default.
            **options: see `WriteOptions`.

        Raises:
            AlreadyExists: the model exists.
            InvalidRequest: the name is malformed, or differs from another only by case or Unicode
                form.
        """
        from gitreg.core.operations.create import Creation, create_model

        settings = WriteSettings.of(options)
        request = Creation(
            checked_text(name, "a model"),
            created_at or self._written.signature("AUTHOR").utc,
            description,
            owner,
            dict(tags or {}),
        )
        return self._write(
            lambda state: create_model(state, request), settings, authored_at=_moment(created_at)
        )

    def rename_model(
        self, name: str, new_name: str, **options: Unpack[WriteOptions]
    ) -> gitreg.Outcome:
        """Give a model another name; its versions, stages and aliases keep belonging to it.

        Approvals do not: their signatures cover the model's name.

        Args:
            name: the model.
            new_name: its new name.
            **options: see `WriteOptions`; the reason is also shown to anybody who uses the old
                name.

        Raises:
            NotFound: there is no such model.
            AlreadyExists: another model has the new name.
            GateRefused: other rules apply to the new name, and one of them refuses.
        """
        from gitreg.core.operations.rename import rename_model

        settings = WriteSettings.of(options)
        wanted = check_model_name(checked_text(name, "a model"))
        new = check_model_name(checked_text(new_name, "a model"))
        tombstone = replace(self._tombstone(settings.reason), renamed_to=new)
        return self._write(
            lambda state: rename_model(
                state, wanted, tombstone, self._mover(state, pr=settings.pr)
            ),
            settings,
        )

    def delete_model(
        self, name: str, *, force: bool = False, **options: Unpack[WriteOptions]
    ) -> gitreg.Outcome:
        """Delete a model with all its versions; who deleted it and why stays recorded.

        Args:
            name: the model.
            force: delete it even if a stage holds a version of it, or an alias names one.
            **options: see `WriteOptions`; the reason is also shown to anybody who looks for the
                model later.

        Raises:
            NotFound: there is no such model; if it was deleted before, the message says who did
                it and why.
            Refused: without force, it is in use; with force, a rule of a stage refuses.
        """
        from gitreg.core.operations.delete_model import delete_model

        settings = WriteSettings.of(options)
        wanted = check_model_name(checked_text(name, "a model"))
        tombstone = self._tombstone(settings.reason)
        return self._write(
            lambda state: delete_model(
                state, wanted, tombstone, self._mover(state, pr=settings.pr), force=force
            ),
            settings,
        )

    def _tombstone(self, reason: str | None) -> Tombstone:
        """Return the record of a deletion that this clone's user makes now."""
        who = self._written.signature("AUTHOR")
        return Tombstone(who.utc, who.person, reason)


def _moment(created_at: str | None) -> int | None:
    """Return a time in seconds since the epoch."""
    from gitreg.core.text.times import parse_instant

    return None if created_at is None else parse_instant(created_at)
