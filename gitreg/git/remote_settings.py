"""Git's settings of branches and remotes: which remote a branch is published to."""

from __future__ import annotations

from collections.abc import Mapping

from gitreg.git.repository import GitRepository


def remote_urls(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the URLs of the configured remotes, by name."""
    return {
        key.removeprefix("remote.").removesuffix(".url"): value
        for key, value in settings.items()
        if key.startswith("remote.") and key.endswith(".url")
    }


def chosen_remote(settings: Mapping[str, str], short: str) -> str | None:
    """Return the remote that `git push` pushes a branch to, a name, URL or path; else ``None``."""
    keys = (f"branch.{short}.pushremote", "remote.pushdefault", f"branch.{short}.remote")
    for remote in map(settings.get, keys):
        if remote and remote != ".":
            return remote
    names = remote_urls(settings)
    if "origin" in names:
        return "origin"
    return next(iter(names)) if len(names) == 1 else None


def remote_settings(repository: GitRepository) -> dict[str, str]:
    """Return the configuration of branches and remotes; of repeated keys, the last value."""
    wanted = (
        r"^((branch|remote)\..*\.(remote|merge|url|pushurl|pushremote|receivepack)"
        r"|push\.default|remote\.pushdefault)$"
    )
    listing = repository.run("config", "-z", "--get-regexp", wanted, check=False)
    text = listing.stdout.decode("utf-8", "surrogateescape")
    entries = (entry.partition("\n") for entry in text.split("\0") if entry)
    return {key: value for key, _, value in entries}
