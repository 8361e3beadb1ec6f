"""Talks to Git remotes: which one a branch has, what is there, one atomic push."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitreg.errors import GitError, LostRace
from gitreg.git import process
from gitreg.git.repository import GitRepository, Tip

_REJECTED = (
    "fetch first", "non-fast-forward", "stale info", "failed to update ref", "cannot lock ref",
    "incorrect old value", "remote ref updated since checkout",
)  # fmt: skip
_REMOTE_LINES = 2


@dataclass(frozen=True)
class Upstream:
    """Where a branch is published: the remote's name and the branch's full name there."""

    remote: str
    branch: str

    @property
    def tracking(self) -> str:
        """The reference that remembers it, ``refs/remotes/origin/main``."""
        return f"refs/remotes/{self.remote}/{self.branch.removeprefix('refs/heads/')}"


def behind(upstream: Upstream, how: str) -> LostRace:
    """Return the error for a clone that lacks what the remote has.

    Its hint names remote and branch: after a first push the branch may have no upstream, and
    then a bare `git pull` knows of none.
    """
    branch = upstream.branch.removeprefix("refs/heads/")
    return LostRace(
        f"{upstream.remote} {how}",
        hint=f"nothing was published; git pull --ff-only {upstream.remote} {branch}, "
        "or --rebase when you have commits of your own, then run it again",
    )


def upstream_of(repository: GitRepository, tip: Tip) -> Upstream:
    """Return where the checked-out branch is published.

    Its configured upstream, else ``origin``, else the only remote there is.

    Raises:
        GitError: the repository has no remote, or several and none is chosen.
    """
    short = tip.branch.removeprefix("refs/heads/")
    remote = repository.config(f"branch.{short}.remote")
    merge = repository.config(f"branch.{short}.merge")
    if remote and remote != ".":
        return Upstream(remote, merge or tip.branch)
    remotes = repository.run("remote").text.split("\n")
    if "origin" in remotes or (len(remotes) == 1 and remotes[0]):
        return Upstream("origin" if "origin" in remotes else remotes[0], tip.branch)
    if remotes == [""]:
        raise GitError("there is no Git remote to push to", hint="git remote add origin URL")
    raise GitError(
        f"several remotes, and {short} has no upstream",
        hint=f"git branch --set-upstream-to=REMOTE/{short}",
    )


def fetch_tip(repository: GitRepository, upstream: Upstream) -> str | None:
    """Fetch the published branch alone, without tags; return its commit, ``None`` if there is none.

    Raises:
        GitError: the remote cannot be reached.
    """
    refspec = f"+{upstream.branch}:{upstream.tracking}"
    done = process.run(
        repository.folder, "fetch", "--no-tags", "--no-write-fetch-head", "--quiet",
        "--end-of-options", upstream.remote, refspec, check=False, interactive=True,
    )  # fmt: skip
    if done.returncode == 0:
        return repository.commit_of(upstream.tracking)
    if "couldn't find remote ref" in done.stderr:
        return None
    error = process.failure("fetch", done)
    raise GitError(
        f"the remote {upstream.remote} cannot be read: {error}", hint="nothing was published"
    )


def push(
    repository: GitRepository,
    upstream: Upstream,
    commit: str | None,
    expected: str | None,
    tags: Mapping[str, str],
    *,
    force_tags: bool = False,
) -> None:
    """Publish a commit as the branch's tip, and tags, in one atomic push.

    Args:
        repository: where the objects are.
        upstream: where to.
        commit: the new tip; ``None`` to push tags alone.
        expected: what the branch must be at; ``None`` when it must not be there.
        tags: short name to object.
        force_tags: replace tags that the remote has with other objects.

    Raises:
        LostRace: the remote's branch is not at ``expected``; nothing was published.
        GitError: the remote refused or cannot be reached.
    """
    force = "+" if force_tags else ""
    refspecs = [f"{force}{oid}:refs/tags/{name}" for name, oid in tags.items()]
    options = ["--atomic", "--porcelain", "--no-verify", "--no-signed", "--no-follow-tags"]
    if commit is not None:
        refspecs.insert(0, f"{commit}:{upstream.branch}")
        options.append(f"--force-with-lease={upstream.branch}:{expected or ''}")
    if not refspecs:
        return
    repository.writer.sync()
    done = process.run(
        repository.folder, "push", *options, "--end-of-options", upstream.remote, *refspecs,
        check=False, interactive=True,
    )  # fmt: skip
    if done.returncode == 0:
        return
    raise _push_failure(upstream, done)


def _push_failure(upstream: Upstream, done: process.Completed) -> GitError:
    """Return the error for a push that failed."""
    said = done.stderr + process.hide_credentials(done.stdout.decode("utf-8", "replace"))
    # A lock that was left behind over there is no race, and waits for somebody to remove it.
    if any(words in said for words in _REJECTED) and "Unable to create '" not in said:
        return behind(upstream, "has moved: somebody else published meanwhile")
    taken = re.search(r"refs/tags/(\S+)\s+\[rejected\] \(already exists\)", said)
    if taken:
        return GitError(
            f"{upstream.remote} has another tag {taken[1]}; nothing was published",
            hint="gitreg doctor compares tags with history",
        )
    rejected = re.search(r"\[remote rejected\] \(([^)]*)\)", said)
    cause = rejected[1] if rejected else str(process.failure("push", done))
    words = [text for text in _remote_words(done.stderr) if text not in cause]
    return GitError(
        f"the push to {upstream.remote} failed: {': '.join([cause, *words])}",
        hint="nothing was published",
    )


def _remote_words(stderr: str) -> list[str]:
    """Return the first lines that the other side's hooks printed, without those that only draw."""
    lines = [
        line.removeprefix("remote:").strip()
        for line in stderr.splitlines()
        if line.startswith("remote:")
    ]
    return [line for line in lines if re.search(r"\w", line)][:_REMOTE_LINES]
