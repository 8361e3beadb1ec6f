"""Talks to Git remotes: finds a branch's remote, reads its references, pushes atomically."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gitreg.core.text.urls import hide_credentials
from gitreg.errors import GitError
from gitreg.git import (
    causes,
    damage,
    locks,
    own_references,
    path_remotes,
    pre_push,
    process,
    submodules,
)
from gitreg.git.push_failures import push_failure
from gitreg.git.remote_settings import chosen_remote, remote_settings, remote_urls
from gitreg.git.repository import GitRepository, Tip

_NO_OPTIONS = "does not support push options"
_ON_A_COMMAND_LINE = 500


@dataclass(frozen=True)
class Upstream:
    """The remote branch that a local branch is published on.

    Attributes:
        remote: the remote's name, or its URL.
        branch: the branch's full name on the remote.
        seen: the reference that stores the last known commit of the remote branch; ``None`` when
            it is stored elsewhere.
        push_url: where pushes go, when the configuration gives a separate URL for them.
        url: the remote's URL as it is configured; empty when ``remote.NAME.receivepack`` names the
            program there.
        runs_hooks: whether a push runs the user's pre-push hook. Not in gitreg's own copies, which
            have nothing of the user's.
    """

    remote: str
    branch: str
    seen: str | None = None
    push_url: str | None = None
    runs_hooks: bool = True
    url: str = ""

    @property
    def place(self) -> str:
        """The remote to read from: the push URL, because commits are published there."""
        return self.push_url or self.remote

    @property
    def shown(self) -> str:
        """The remote without credentials, to show to people."""
        return hide_credentials(self.remote)

    @property
    def short_branch(self) -> str:
        """The branch's name without ``refs/heads/``."""
        return self.branch.removeprefix("refs/heads/")


def upstream_of(repository: GitRepository, tip: Tip) -> Upstream:
    """Return the remote branch that the checked-out branch is published on.

    It is the one that `git push` uses: ``branch.NAME.pushRemote``, else ``remote.pushDefault``,
    else the configured upstream, else ``origin``, else the only remote.

    Raises:
        GitError: the repository has no remote; or it has several, none is called ``origin`` and
            the branch has no upstream; or the upstream has another name.
    """
    short = tip.branch.removeprefix("refs/heads/")
    settings = remote_settings(repository)
    urls = remote_urls(settings)
    remote = chosen_remote(settings, short)
    branch = tip.branch
    if remote is None and not urls:
        raise GitError("there is no Git remote", hint="git remote add origin URL")
    if remote is None:
        raise GitError(
            f"this repository has several remotes, and {short} has no upstream",
            hint=f"git branch --set-upstream-to=REMOTE/{short}",
        )
    # To another remote than the one it pulls from, Git pushes a branch under its own name.
    if remote == settings.get(f"branch.{short}.remote"):
        branch = settings.get(f"branch.{short}.merge", branch)
        _refuse_another_name(short, branch, remote, settings.get("push.default"))
    # The name depends on the URL: after a change of URL, the old repository's commit is no guide.
    place = f"{urls.get(remote, remote)}\n{branch}".encode("utf-8", "surrogateescape")
    seen = f"refs/gitreg/seen/{hashlib.sha256(place).hexdigest()[:24]}"
    to = settings.get(f"remote.{remote}.pushurl")
    is_plain = f"remote.{remote}.receivepack" not in settings
    return Upstream(remote, branch, seen, to, url=urls.get(remote, remote) if is_plain else "")


def tracked_remotes(repository: GitRepository) -> list[str]:
    """Return the names of the remotes whose tracking references say what is published.

    The remote that the checked-out branch is published to; where HEAD is detached, as CI checks
    out, the registry's branch. All remotes where none is chosen, and none where it is published to
    a URL that no remote has.
    """
    head = repository.head_branch()
    short = registry_branch(repository) if head is None else head.removeprefix("refs/heads/")
    settings = remote_settings(repository)
    urls = remote_urls(settings)
    chosen = chosen_remote(settings, short)
    if chosen is None or chosen in urls:
        return list(urls) if chosen is None else [chosen]
    return [name for name, url in urls.items() if url == chosen]


def _refuse_another_name(short: str, branch: str, remote: str, push_default: str | None) -> None:
    """Refuse to publish a branch under another name, as `git push` does by default.

    ``git switch -c feature origin/main`` makes such an upstream.

    Raises:
        GitError: the names differ, and ``push.default`` is not ``upstream``.
    """
    name = branch.removeprefix("refs/heads/")
    if name != short and push_default not in ("upstream", "tracking"):
        raise GitError(
            f"{short} follows {remote}/{name}: publishing would put all commits of {short} there",
            hint=f"git branch --unset-upstream, or to publish on {name}: "
            "git config push.default upstream",
        )


def push_url(repository: GitRepository, upstream: Upstream) -> str:
    """Return the URL that a push goes to, after the configuration's rewrites.

    It can contain credentials; do not show it.
    """
    named = repository.run(
        "remote", "get-url", "--push", "--end-of-options", upstream.remote, check=False
    )
    if named.returncode == 0:
        return named.text
    return repository.run("ls-remote", "--get-url", "--end-of-options", upstream.remote).text


NOTHING_ELSE = (
    "--no-tags",
    "--no-write-fetch-head",
    "--quiet",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
)
"""What makes a fetch bring what it names and do nothing else."""


def fetch_tip(repository: GitRepository, upstream: Upstream) -> str | None:
    """Fetch only the published branch; return its commit, ``None`` when there is no such branch.

    Raises:
        GitError: the remote cannot be reached.
    """
    with own_references.temporary(repository) as folder:
        done = _fetch(repository, upstream.place, f"+{upstream.branch}:{folder}/incoming")
        if done.returncode == 0:
            return repository.commit_of(f"{folder}/incoming")
    if "couldn't find remote ref" in done.stderr:
        return None
    raise unreadable(repository, upstream, "fetch", done)


def unreadable(
    repository: GitRepository, upstream: Upstream, subcommand: str, done: process.Completed
) -> GitError:
    """Return the error for a remote that could not be read."""
    lock = locks.named_in(done.stderr)
    if lock is not None:
        return locks.failure(repository.git_dir / lock)  # the clone's: nothing locks to be read
    harm = damage.in_output(done.stderr, repository.folder) or _damage(repository, upstream)
    if harm is not None:
        return damage.Damaged(harm)
    cause = causes.when_reading(done.stderr)
    what = cause.text if cause and cause.text else process.failure(subcommand, done)
    return GitError(
        f"cannot read the remote {upstream.shown}: {what}",
        hint=cause.hint if cause else "try again when it can be reached",
    )


def _damage(repository: GitRepository, upstream: Upstream) -> damage.Damage | None:
    """Return an empty reference, in the clone or in a remote that is a folder, if there is one."""
    here = next(damage.of_references(repository.common_dir), None)
    there = _folder(repository, upstream)
    if here is not None or there is None:
        return here
    seen = last_seen(repository, upstream) or tracked(repository, upstream)
    known = {upstream.branch: seen} if seen else {}
    return next(damage.of_references(there, known, is_remote=True), None)


def last_seen(repository: GitRepository, upstream: Upstream) -> str | None:
    """Return the last known commit of the published branch."""
    return None if upstream.seen is None else repository.commit_of(upstream.seen)


def tracked(repository: GitRepository, upstream: Upstream) -> str | None:
    """Return the published branch's commit at the last `git clone` or `git fetch`, if any."""
    if upstream.seen is None:
        return None
    return repository.commit_of(f"refs/remotes/{upstream.remote}/{upstream.short_branch}")


def default_branches(repository: GitRepository) -> dict[str, str]:
    """Return the known default branches, remote name to short branch name."""
    found = {}
    remotes = repository.common_dir / "refs" / "remotes"
    for head in remotes.rglob("HEAD"):  # a remote's name can have a slash
        remote = head.parent.relative_to(remotes).as_posix()
        name = f"ref: refs/remotes/{remote}/"
        text = head.read_text("utf-8", "surrogateescape").strip()
        if text.startswith(name):
            found[remote] = text.removeprefix(name)
    return found


def ask_default_branch(repository: GitRepository, upstream: Upstream) -> str | None:
    """Ask a remote for its default branch, and store it as `git remote set-head --auto` does.

    `git clone` stores it; `git remote add` and `git fetch` before Git 2.48 do not.

    Returns:
        The branch's short name; ``None`` when the remote does not answer or names none.
    """
    done = process.run(
        repository.folder,
        "ls-remote",
        "--symref",
        "--end-of-options",
        upstream.place,
        "HEAD",
        check=False,
        interactive=True,
    )
    named = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", done.text, re.MULTILINE)
    if done.returncode != 0 or named is None:
        return None
    tracking = f"refs/remotes/{upstream.remote}/{named[1]}"
    if upstream.push_url is None:  # else the references are those of another repository
        if repository.commit_of(tracking) is None:
            _fetch(repository, upstream.place, f"refs/heads/{named[1]}")
        if repository.commit_of(tracking) is not None:  # not where Git is to follow other branches
            head = f"refs/remotes/{upstream.remote}/HEAD"
            repository.run("symbolic-ref", head, tracking, check=False)
    return named[1]


def registry_branch(repository: GitRepository) -> str:
    """Return the short name of the branch that holds the registry.

    The default branch of ``origin``, else of another remote, else the checked-out branch.
    """
    defaults = default_branches(repository)
    head = repository.head_branch() or "main"
    return defaults.get("origin") or next(iter(defaults.values()), head.removeprefix("refs/heads/"))


def remember(repository: GitRepository, upstream: Upstream, commit: str) -> None:
    """Store a commit as the last known commit of the published branch.

    Raises:
        GitError: the reference cannot be written.
    """
    if upstream.seen is not None and last_seen(repository, upstream) != commit:
        own_references.write(repository, upstream.seen, commit)


def push(
    repository: GitRepository,
    upstream: Upstream,
    commit: str | None,
    expected: str | None,
    tags: Mapping[str, str],
    *,
    force_tags: bool = False,
    push_options: Sequence[str] = (),
) -> str:
    """Publish a commit as the branch's tip, and tags, in one atomic push.

    Args:
        repository: where the objects are.
        upstream: the remote branch.
        commit: the new tip; ``None`` to push only tags.
        expected: the commit that the branch must be at; ``None`` when it must not exist.
        tags: short name to object.
        force_tags: replace the remote's tags of the same names.
        push_options: options for the remote; left out when it supports none.

    Returns:
        The remote's message, such as the URL for opening a pull request.

    Raises:
        LostRace: the remote's branch is not at ``expected``; nothing was published.
        Locked: the remote has a lock file; nothing was published.
        UnknownOutcome: the connection was lost before the remote reported a result.
        GitError: the remote or the user's pre-push hook refused; nothing was published.
    """
    options = ["--atomic", "--porcelain", "--no-signed", "--no-follow-tags"]
    branch = []
    if commit is not None:
        branch = [f"{commit}:{upstream.branch}"]
        options.append(f"--force-with-lease={upstream.branch}:{expected or ''}")
    if not branch and not tags:
        return ""
    repository.writer.sync()
    options.append(f"--recurse-submodules={submodules.push(repository, upstream.remote)}")
    with _refspecs(repository, tags, "+" if force_tags else "") as refspecs:
        done = _push(repository, upstream, options, push_options, [*branch, *refspecs])
    if done.returncode != 0:
        raise push_failure(upstream.shown, done, repository.git_dir, _folder(repository, upstream))
    words = [line for line in done.stderr.splitlines() if line.startswith("remote:")]
    return "\n".join(line.removeprefix("remote:").strip() for line in words)


def _push(
    repository: GitRepository,
    upstream: Upstream,
    options: Sequence[str],
    push_options: Sequence[str],
    refspecs: Sequence[str],
) -> process.Completed:
    """Run ``git push``, with the user's pre-push hook; the caller looks at the exit status.

    Git passes no ``-c`` to the receive-pack of a folder, so that program is named. A server that is
    reached over a network runs a program of its own choice.

    Raises:
        GitError: the hook refused.
    """
    if upstream.url and _folder(repository, upstream) is not None:
        options = [*options, f"--receive-pack=git -c {process.DURABLE} receive-pack"]

    def run(*more: str) -> process.Completed:
        with pre_push.watched() as watch:
            done = process.run(
                repository.folder,
                "push",
                *options,
                *more,
                "--end-of-options",
                upstream.remote,
                *refspecs,
                check=False,
                extra_env=watch.variables,
                interactive=True,
            )
            refusal = watch.refusal(done)
        if refusal is not None:
            raise refusal
        return done

    verify = "--verify" if upstream.runs_hooks else "--no-verify"
    done = run(verify, *(f"--push-option={option}" for option in push_options))
    if done.returncode != 0 and push_options and _NO_OPTIONS in done.stderr:
        # Only the remote knows whether it takes options; it refuses before anything is sent, and
        # after the hook agreed.
        return run("--no-verify")
    return done


def _folder(repository: GitRepository, upstream: Upstream) -> Path | None:
    """Return the Git folder that is pushed to, if it is on this machine."""
    base = repository.top_level or repository.folder
    return path_remotes.folder_of(upstream.push_url or upstream.url or upstream.remote, base)


@contextmanager
def _refspecs(
    repository: GitRepository, tags: Mapping[str, str], force: str
) -> Iterator[list[str]]:
    """Yield the refspecs for a push of tags; many tags share one pattern.

    A command line holds about 30,000 refspecs, and a registry can have more tags.
    """
    if len(tags) <= _ON_A_COMMAND_LINE:
        yield [f"{force}{oid}:refs/tags/{name}" for name, oid in tags.items()]
        return
    with own_references.temporary(repository, tags) as folder:
        yield [f"{force}{folder}/*:refs/tags/*"]


def _fetch(repository: GitRepository, place: str, *refspecs: str) -> process.Completed:
    """Fetch what the refspecs name and nothing else; the caller looks at the exit status."""
    return process.run(
        repository.folder,
        "fetch",
        *NOTHING_ELSE,
        "--end-of-options",
        place,
        *refspecs,
        check=False,
        interactive=True,
    )


def fetch_tags(repository: GitRepository, upstream: Upstream, names: Sequence[str]) -> None:
    """Fetch the objects of tags without creating references to them.

    Raises:
        GitError: the remote cannot be reached.
    """
    if names:
        done = _fetch(repository, upstream.remote, *(f"refs/tags/{name}" for name in names))
        if done.returncode != 0:
            raise process.failure("fetch", done)


def published_tags(
    repository: GitRepository, upstream: Upstream, names: Iterable[str]
) -> dict[str, str]:
    """Return the remote's tags among ``names``, short name to object.

    Raises:
        GitError: the remote cannot be reached.
    """
    wanted = {f"refs/tags/{name}" for name in names}
    if not wanted:
        return {}
    patterns = sorted(wanted) if len(wanted) <= _ON_A_COMMAND_LINE else ["refs/tags/*"]
    there = list_references(repository, upstream, "--refs", *patterns)
    return {name.removeprefix("refs/tags/"): oid for name, oid in there.items() if name in wanted}


def version_tags(repository: GitRepository, upstream: Upstream, model: str) -> dict[str, str]:
    """Return the remote's tags of a model's versions, whoever made them: short name to commit.

    Raises:
        GitError: the remote cannot be reached.
    """
    there = list_references(repository, upstream, "--tags", f"refs/tags/{model}@v*")
    return {
        name.removeprefix("refs/tags/"): there.get(f"{name}^{{}}", oid)
        for name, oid in there.items()
        if not name.endswith("^{}")
    }


def branches(repository: GitRepository, upstream: Upstream) -> list[str]:
    """Return the short names of the remote's branches.

    Raises:
        GitError: the remote cannot be reached.
    """
    there = list_references(repository, upstream, "--heads")
    return [name.removeprefix("refs/heads/") for name in there]


def refuse_renamed(repository: GitRepository, upstream: Upstream) -> None:
    """Refuse to create a branch again that the remote had before, when it has others now.

    Raises:
        GitError: it has others, or cannot be reached.
    """
    others = branches(repository, upstream)
    if others:
        raise GitError(
            f"{upstream.shown} no longer has the branch {upstream.short_branch}, but has "
            f"{', '.join(others[:3])}; nothing was published",
            hint=f"git branch --set-upstream-to={upstream.remote}/{others[0]}, if it was "
            "renamed to that",
        )


def list_references(
    repository: GitRepository, upstream: Upstream, kind: str, *patterns: str
) -> dict[str, str]:
    """Return the references of a remote that match, full name to object."""
    done = process.run(
        repository.folder,
        "ls-remote",
        kind,
        "--end-of-options",
        upstream.place,
        *patterns,
        check=False,
        interactive=True,
    )
    if done.returncode != 0:
        raise unreadable(repository, upstream, "ls-remote", done)
    lines = (line.partition("\t") for line in done.text.splitlines())
    return {name: oid for oid, _, name in lines}


PATIENCE = 30.0
"""How long to wait for a remote to list its references, in seconds."""

FETCH_PATIENCE = 300.0
"""How long to wait for a remote to send new commits, in seconds."""


@dataclass(frozen=True)
class Survey:
    """The references of a remote.

    Attributes:
        commit: the branch's commit; ``None`` when there is no such branch.
        tags: short name to the object that the tag names.
    """

    commit: str | None
    tags: Mapping[str, str]


def survey(repository: GitRepository, upstream: Upstream) -> Survey:
    """Return the remote's branch and tags, read in one request, and fetch the missing commits.

    No reference moves, not even the remote-tracking ones.

    Raises:
        GitError: the remote does not answer.
    """
    done = process.run_for(
        repository.folder,
        PATIENCE,
        "ls-remote",
        "--refs",
        "--end-of-options",
        upstream.place,
        upstream.branch,
        "refs/tags/*",
    )
    if done.returncode != 0:
        cause = causes.when_reading(done.stderr)
        told = process.failure("ls-remote", done)
        raise GitError(cause.text) if cause and cause.text else told
    lines = (line.split("\t") for line in done.text.splitlines())
    found = {name: oid for oid, name in lines}
    commit = found.pop(upstream.branch, None)
    tags = {
        name.removeprefix("refs/tags/"): oid
        for name, oid in found.items()
        if name.startswith("refs/tags/")
    }
    if commit is not None and repository.commit_of(commit) is None:
        done = process.run_for(
            repository.folder,
            FETCH_PATIENCE,
            "fetch",
            "--refmap=",
            *NOTHING_ELSE,
            "--end-of-options",
            upstream.place,
            upstream.branch,
        )
        if done.returncode != 0:
            raise process.failure("fetch", done)
        if repository.commit_of(commit) is None:
            raise GitError("somebody rewrote its branch while gitreg was reading it")
    return Survey(commit, tags)
