"""Verify: whether the bytes of registered versions still match their manifests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitreg.artifacts import Artifacts
from gitreg.errors import DvcError
from gitreg.findings import Finding
from gitreg.model import ModelVersion
from gitreg.names import Reference
from gitreg.state import RegistryState


def verify(
    state: RegistryState, artifacts: Artifacts, references: Sequence[Reference]
) -> Iterator[tuple[ModelVersion, list[Finding]]]:
    """Yield each version with what is wrong with its bytes; an empty list when they match.

    Args:
        state: the registry at the commit that is verified.
        artifacts: where the bytes are.
        references: versions, or whole models; all of the registry when empty.
    """
    for model, number in list(_wanted(state, references)):
        version = state.version(model, number)
        yield version, _check(state, artifacts, version)


def _wanted(state: RegistryState, references: Sequence[Reference]) -> Iterator[tuple[str, int]]:
    for reference in references or [Reference(name) for name in state.model_names()]:
        if reference.is_model:
            state.check_model(reference.model)
            yield from ((reference.model, number) for number in state.versions(reference.model))
        else:
            yield reference.model, state.resolve(reference)


def _check(state: RegistryState, artifacts: Artifacts, version: ModelVersion) -> list[Finding]:
    try:
        return [
            Finding(
                "artifact-differs", "error", version.reference, difference,
                f"gitreg pull {version.reference}",
            )
            for difference in artifacts.differences(state.snapshot, version)
        ]  # fmt: skip
    except DvcError as error:
        return [Finding("artifact-missing", "error", version.reference, str(error), error.hint)]
