"""The methods of `Registry` that move pointers: promotions, rollbacks and aliases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import gitreg
from gitreg.core.model.names import ARCHIVE, check_stage_name
from gitreg.core.state.state import RegistryState
from gitreg.registry.options import Unpack, WriteOptions, WriteSettings
from gitreg.registry.reading import Reading
from gitreg.registry.references import ReferenceLike, checked_text, listed, reference_of

if TYPE_CHECKING:
    from gitreg.core.state.change import Change


class Moving(Reading):
    """What moves stages and aliases: each method makes one commit; see `Registry`."""

    def promote(
        self,
        *references: ReferenceLike,
        stage: str,
        name: str | None = None,
        version: int | None = None,
        alias: str | Sequence[str] = (),
        keep_existing: bool = False,
        if_better: Sequence[str] = (),
        if_lower: Sequence[str] = (),
        else_archive: bool = False,
        override: str | None = None,
        replaced_to: str | None = None,
        force: bool = False,
        **options: Unpack[WriteOptions],
    ) -> gitreg.Outcome:
        """Put versions into a stage, in one commit, if the policy allows it.

        Args:
            references: which versions, of one model or several.
            stage: the stage that they enter; ``none`` takes them out of their stage.
            name: the model, instead of a reference.
            version: its number.
            alias: aliases to point at each version, in the same commit.
            keep_existing: leave the versions that the stage holds where they are.
            if_better: metrics that must be higher than the incumbent's.
            if_lower: metrics that must be lower than the incumbent's.
            else_archive: archive a candidate that a metric refuses, in a commit of its own; the
                refusal is raised all the same.
            override: the reason to promote despite a refusal, where the policy allows that.
            replaced_to: the stage (``none`` for none) that all other versions of the stage move
                to. By default only as many leave as necessary, to where the policy says.
            force: move a version into another stage even if that leaves its own stage empty.
            **options: see `WriteOptions`.

        Raises:
            GateRefused: a rule of the policy, or a given metric, refuses; ``judgements`` has every
                verdict. Without an incumbent there is nothing to beat.
            Refused: a protected alias would move without its stage; or, without force, a stage
                that clients may serve from would be left empty.
        """
        from gitreg.core.operations.judging import GateRefused
        from gitreg.core.operations.promote import Promotion, archive_instead, promote

        settings = WriteSettings.of(options)
        wanted = [reference_of(given) for given in references]
        if name is not None or version is not None:
            wanted.append(reference_of(None, name, version))
        request = Promotion(
            tuple(wanted),
            checked_text(stage, "a stage"),
            tuple(listed(alias)),
            keep_existing,
            tuple(listed(if_better)),
            tuple(listed(if_lower)),
            override,
            None if replaced_to is None else checked_text(replaced_to, "a stage"),
            force,
        )
        try:
            return self._write(
                lambda state: promote(state, request, self._mover(state, pr=settings.pr)), settings
            )
        except GateRefused as refused:
            if else_archive and not settings.dry_run and refused.losers:
                refusal = refused  # Python forgets the name, and the lambda needs it
                archived = self._write(
                    lambda state: archive_instead(
                        state, request, refusal, self._mover(state, pr=settings.pr)
                    ),
                    settings.followed_by("archive"),
                )
                where = f"archived instead, in {str(archived.commit)[:9]}"
                refused.hint = where if archived.commit else "nothing was archived"
            raise

    def archive(
        self,
        *references: ReferenceLike,
        override: str | None = None,
        **options: Unpack[WriteOptions],
    ) -> gitreg.Outcome:
        """Put versions into the archive, in one commit; see `promote`."""
        WriteSettings.of(options)  # not everything that `promote` takes
        return self.promote(*references, stage=ARCHIVE, override=override, **options)

    def rollback(
        self,
        *names: str,
        to: int | None = None,
        stage: str = "production",
        restage: bool = False,
        **options: Unpack[WriteOptions],
    ) -> tuple[gitreg.Outcome, gitreg.RollbackPlan]:
        """Bring back the version that a stage held before, found in history.

        Args:
            names: the models to roll back.
            to: the version to go back to, instead of the previous one.
            stage: the stage to roll back.
            restage: put the withdrawn version back into the stage that it came from, as
                ``git revert`` would, instead of into the archive.
            **options: see `WriteOptions`.

        Raises:
            Refused: nothing was in the stage before, or all of it was withdrawn; see `tenures`.
            DvcError: the bytes of the version to go back to are missing.
        """
        from gitreg.core.operations.rollback import Rollback, roll_back
        from gitreg.git.valid_policy import policy_in_force

        settings = WriteSettings.of(options)
        request = Rollback(names, check_stage_name(stage), to, restage)
        plans: list[gitreg.RollbackPlan] = []

        def operation(state: RegistryState) -> Change:
            rules = policy_in_force(self._written, state)
            ruled = state.ruled_by(rules.policy)
            plan = roll_back(ruled, self._write_index, request, self._mover(ruled, pr=settings.pr))
            for restored in plan.restored:
                self._artifacts.require(state.snapshot, restored)
            plans.append(plan)
            return replace(plan.change, warnings=(*rules.warnings, *plan.change.warnings))

        return self._write(operation, settings), plans[-1]

    def set_alias(
        self,
        reference: ReferenceLike | None = None,
        alias: str = "",
        *,
        name: str | None = None,
        version: int | None = None,
        stage: str | None = None,
        **options: Unpack[WriteOptions],
    ) -> gitreg.Outcome:
        """Point an alias at a version; stages do not change."""
        from gitreg.core.operations.alias import set_alias

        settings = WriteSettings.of(options)
        wanted = reference_of(reference, name, version, None, stage)
        return self._write(
            lambda state: set_alias(state, wanted, checked_text(alias, "an alias")), settings
        )

    def delete_alias(
        self, name: str, alias: str, **options: Unpack[WriteOptions]
    ) -> gitreg.Outcome:
        """Delete an alias; the version stays."""
        from gitreg.core.operations.alias import delete_alias

        return self._write(
            lambda state: delete_alias(state, name, alias), WriteSettings.of(options)
        )
