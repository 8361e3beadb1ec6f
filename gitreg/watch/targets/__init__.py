"""Who is told of a move: a new target is a file here, and a row in `KINDS`.

============  ==========================================================
`target`      what a target is given, and how it fails
`programs`    the user's command; runs other programs without a shell
`kubernetes`  restarts a workload, with the version as an annotation
`compose`     creates a service of Docker Compose again
`asking`      asks by HTTP, with a limit to size and time
`http`        posts a signed CloudEvent
`probe`       waits until a service tells the new version
`notify`      sends people a message
============  ==========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from gitreg.errors import InvalidRequest

if TYPE_CHECKING:
    from gitreg.watch.targets.target import Target


@dataclass(frozen=True)
class Setting:
    """An option of a target: its name, what stands behind it, and its help."""

    name: str
    metavar: str
    words: str
    short: str | None = None

    @property
    def option(self) -> str:
        """As it is typed."""
        return f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True)
class Kind:
    """A kind of target: the option that asks for it, its class, and its further options."""

    option: Setting
    made_by: str
    more: tuple[Setting, ...] = ()

    def make(self, values: tuple[str, ...], settings: Mapping[str, str]) -> Target:
        """Return the target."""
        module, _, name = self.made_by.partition(":")
        made: Target = getattr(import_module(f"{__name__}.{module}"), name)(*values, **settings)
        return made


KINDS = (
    Kind(
        Setting("kubernetes", "KIND/NAME", "Restart a workload, and wait until it is ready."),
        "kubernetes:Kubernetes",
        (Setting("namespace", "NS", "Its namespace; by default kubectl's.", "-n"),),
    ),
    Kind(
        Setting("compose", "FILE SERVICE", "Create a service of Docker Compose again."),
        "compose:Compose",
    ),
    Kind(
        Setting("http", "URL", "Post a signed CloudEvent."),
        "http:Webhook",
        (
            Setting("secret_env", "NAME", "The variable with the webhook's secret."),
            Setting("secret_file", "FILE", "A file with it, instead."),
        ),
    ),
    Kind(
        Setting("probe", "URL", "Then wait until /version there tells the new version."),
        "probe:Probe",
    ),
    Kind(
        Setting("notify", "URL", "Send people a message, by Apprise; env:NAME reads a variable."),
        "notify:Notify",
    ),
)
"""The targets besides the user's command, in the order in which they are told."""


def targets_of(
    command: tuple[str, ...], given: Mapping[str, tuple[str, ...] | str | None]
) -> list[Target]:
    """Return the targets that a user asked for, in the order in which they are told.

    Args:
        command: the words of the command; empty for none.
        given: the values of the options of `KINDS`, by name.

    Raises:
        InvalidRequest: there is none, or an option belongs to a target that is not there.
    """
    from gitreg.watch.targets.programs import Command

    found: list[Target] = [Command(*command)] if command else []
    for kind in KINDS:
        value = given.get(kind.option.name)
        settings = {one.name: str(value) for one in kind.more if (value := given.get(one.name))}
        value = given.get(kind.option.name)
        if value:
            found.append(kind.make((value,) if isinstance(value, str) else value, settings))
        elif settings:
            option = next(one.option for one in kind.more if one.name in settings)
            raise InvalidRequest(f"{option} belongs to {kind.option.option}, which is not given")
    if not found:
        raise InvalidRequest(
            "nothing to do with a move",
            hint="gitreg watch REF -- ./deploy.sh, or a target such as --http URL",
        )
    return found
