"""``--pr``: a commit on a branch of its own, and the request that asks for it.

Git is real throughout. GitHub and GitLab cannot run here, so that gh and glab, and they alone,
have stand-ins: see `tests.support.hosting`.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg import Registry
from gitreg.core.model.names import is_model_name
from gitreg.core.state.change import Change
from gitreg.errors import GitError, InvalidRequest, LostRace, NotFound, Refused, UnknownOutcome
from gitreg.git import remote
from gitreg.publishing.outcome import Outcome, Review
from gitreg.review.reviewer import branch_name
from tests.conftest import git, write_model
from tests.publishing.by_hand import commit_by_hand
from tests.support.commands import error, everything, gitreg
from tests.support.hosting import hosted

BRANCH = "gitreg/promote-churn-3-production"
OWN = {"isCrossRepository": False}
ASK = ("promote", "churn@3", "--to", "production", "-m", "better", "--pr")


def published(shared: Path) -> str:
    return git(shared / "origin.git", "for-each-ref")


def at(shared: Path, branch: str = BRANCH) -> str:
    return git(shared / "origin.git", "rev-parse", "--verify", "--quiet", branch, check=False)


def local_refs(found: dict[str, object]) -> list[str]:
    """Return the branches and tags of a clone."""
    lines = str(found["refs"]).splitlines()
    return [line for line in lines if "\trefs/heads/" in line or "\trefs/tags/" in line]


def reviewed(outcome: Outcome) -> Review:
    assert outcome.review is not None
    return outcome.review


def ask(folder: Path, reason: str | None = "better") -> Outcome:
    with Registry(folder) as registry:
        return registry.promote("churn@3", stage="production", reason=reason, pr=True)


# The branch


def test_nothing_of_the_users_is_touched(stocked: Path, shared: Path) -> None:
    (stocked / "registry" / "policy.yaml").write_text("half edited")
    (stocked / "staged.py").write_text("pass\n")
    git(stocked, "add", "staged.py")
    (stocked / "untracked.py").write_text("pass\n")
    pointer = stocked / "registry" / "churn" / "stages" / "production.yaml"
    pointer.write_text("versions: []  # and this one is written by the operation\n")
    before = everything(stocked)
    main = at(shared, "main")
    outcome = ask(stocked)
    after = everything(stocked)
    assert after | {"refs": "", "objects": ""} == before | {"refs": "", "objects": ""}
    assert local_refs(after) == local_refs(before)
    assert outcome.commit == at(shared)
    assert git(shared / "origin.git", "rev-parse", f"{BRANCH}^") == main == at(shared, "main")
    assert outcome.tags == ()
    assert outcome.pushed
    review = reviewed(outcome)
    assert (review.branch, review.base) == (BRANCH, "main")
    assert review.title == git(shared / "origin.git", "log", "-1", "--format=%s", BRANCH)


def test_no_tags_are_made(stocked: Path, shared: Path) -> None:
    before = git(shared / "origin.git", "tag")
    ask(stocked)
    assert git(shared / "origin.git", "tag") == before == git(stocked, "tag")


def test_bytes_go_first(stocked: Path, shared: Path) -> None:
    hook = shared / "origin.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\nfind "$(pwd)/../dvc-remote" -type f > ../seen\n')
    hook.chmod(0o755)
    with Registry(stocked) as registry:
        registry.register("churn", write_model(stocked, "weights 4"), pr=True)
        assert registry.models()[0].latest == 3  # not before it is merged
    names = git(shared / "origin.git", "for-each-ref", "--format=%(refname:short)", "refs/heads")
    branch = next(name for name in names.split() if name.startswith("gitreg/register-churn-"))
    pointer = git(shared / "origin.git", "show", f"{branch}:registry/churn/versions/4/model.dvc")
    md5 = pointer.partition("md5: ")[2].split()[0]
    assert f"{md5[:2]}/{md5[2:]}" in (shared / "seen").read_text()


def test_asking_twice_is_asking_once(stocked: Path, shared: Path) -> None:
    first = ask(stocked)
    before = published(shared)
    again = ask(stocked)
    assert published(shared) == before
    assert (again.commit, again.operation) == (first.commit, first.operation)
    assert again.repeated
    assert reviewed(again).body == reviewed(first).body


def test_another_clone_updates_the_same_branch(stocked: Path, shared: Path) -> None:
    first = ask(stocked)
    git(shared, "clone", "--quiet", "origin.git", "grace")
    again = ask(shared / "grace", "better, as measured again")
    assert again.commit == at(shared) != first.commit
    assert not again.repeated
    assert git(shared / "origin.git", "rev-list", "--count", f"main..{BRANCH}") == "1"


def test_a_registration_that_is_asked_for_again(stocked: Path, shared: Path) -> None:
    with Registry(stocked) as registry:
        source = write_model(stocked, "weights 4")
        first = registry.register("churn", source, metrics={"auc": 0.91}, pr=True)
        again = registry.register("churn", source, metrics={"auc": 0.91}, pr=True)
        assert again.commit == first.commit
        third = registry.register("churn", source, metrics={"auc": 0.92}, pr=True)
    assert third.commit != first.commit
    assert reviewed(third).branch == reviewed(first).branch
    assert third.versions[0].version == 4


def test_what_is_not_published_does_not_come_along(stocked: Path, shared: Path) -> None:
    with Registry(stocked) as registry:
        registry.set_alias("churn@1", "old")
        registry.register("churn", write_model(stocked, "weights 4"))
        outcome = registry.promote("churn@3", stage="staging", pr=True)
        with pytest.raises(NotFound) as caught:
            registry.promote("churn@4", stage="staging", pr=True)
    assert "only published versions can be proposed" in str(caught.value.hint)
    assert git(shared / "origin.git", "rev-parse", f"{outcome.commit}^") == at(shared, "main")


def test_what_is_published_already_asks_for_nothing(stocked: Path, shared: Path) -> None:
    before = published(shared)
    with Registry(stocked) as registry:
        outcome = registry.promote("churn@2", stage="production", pr=True)
    assert outcome.is_unchanged
    assert outcome.review is None
    assert published(shared) == before


def test_commits_of_others_are_not_dropped(stocked: Path, shared: Path) -> None:
    ask(stocked)
    git(shared, "clone", "--quiet", "--branch", BRANCH, "origin.git", "grace")
    commit_by_hand(shared / "grace", "notes.md", "looks good\n")
    git(shared / "grace", "push", "--quiet")
    before = published(shared)
    with pytest.raises(Refused, match="has commits besides its operation") as caught:
        ask(stocked, "better still")
    assert BRANCH in str(caught.value.hint)
    assert published(shared) == before


def test_a_merge_of_main_into_the_branch_is_nobodys_work(stocked: Path, shared: Path) -> None:
    """Hosts have a button for it."""
    ask(stocked)
    git(shared, "clone", "--quiet", "origin.git", "grace")
    commit_by_hand(shared / "grace", "code.py", "pass\n")
    git(shared / "grace", "push", "--quiet")
    git(shared / "grace", "switch", "--quiet", BRANCH)
    git(shared / "grace", "merge", "--quiet", "-m", "Merge branch 'main'", "main")
    git(shared / "grace", "push", "--quiet")
    outcome = ask(stocked)
    assert outcome.commit == at(shared)
    assert git(shared / "origin.git", "rev-parse", f"{BRANCH}^") == at(shared, "main")


def test_the_same_pointer_moved_meanwhile(stocked: Path, shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "grace")
    with Registry(shared / "grace") as theirs:
        theirs.promote("churn@1", stage="production", push=True)
    before = published(shared)
    with pytest.raises(LostRace, match="which this would change, was moved"):
        ask(stocked)
    assert published(shared) == before
    assert ask(stocked).commit == at(shared)  # told, they decide to ask all the same


def test_a_push_that_fails_changes_nothing(
    stocked: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stocked)
    hook = shared / "origin.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no branches here >&2\nexit 1\n")
    hook.chmod(0o755)
    before, here = published(shared), everything(stocked)
    assert gitreg(*ASK, code=1).err.startswith("remote: no branches here\ngitreg: origin refused")
    hook.unlink()
    (shared / "origin.git").rename(shared / "moved.git")
    assert "cannot read the remote" in error(*ASK, code=3)
    (shared / "moved.git").rename(shared / "origin.git")
    assert published(shared) == before
    there = everything(stocked)
    assert there | {"objects": "", "refs": ""} == here | {"objects": "", "refs": ""}
    assert local_refs(there) == local_refs(here)


def test_a_lost_answer_is_asked_for(
    stocked: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushes: list[object] = []

    def cut_off(*args: object, **options: object) -> str:
        pushes.append(push(*args, **options))  # type: ignore[arg-type]
        raise UnknownOutcome("the remote end hung up unexpectedly")

    push = remote.push
    monkeypatch.setattr(remote, "push", cut_off)
    assert ask(stocked).commit == at(shared)
    assert len(pushes) == 1


def test_nothing_is_there_to_ask_for_it(stocked: Path, shared: Path) -> None:
    git(shared, "init", "--quiet", "--bare", "-b", "main", "empty.git")
    git(stocked, "remote", "set-url", "origin", "../empty.git")
    with pytest.raises(GitError, match="does not exist yet"):
        ask(stocked)


def test_a_dry_run_prints_the_text(
    stocked: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stocked)
    before, objects = published(shared), git(stocked, "count-objects")
    ran = gitreg(*ASK, "--dry-run")
    assert ran.out.startswith(f"would push {BRANCH} and request: promote churn@3 to production\n")
    assert "| <code>auc</code> | <code>0.8</code> | <code>0.9</code> |" in ran.out
    assert "Operation" not in ran.out
    found = gitreg(*ASK, "--dry-run", "--json").json
    assert found["body"] in ran.out
    assert (found["branch"], found["commit"]) == (BRANCH, None)
    assert (published(shared), git(stocked, "count-objects")) == (before, objects)


COMMANDS = [
    (("promote", "churn@3", "--to", "production"), BRANCH),
    (("promote", "churn@3", "tokenizer@1", "--to", "staging"), None),
    (("archive", "churn@3"), "gitreg/archive-churn-3"),
    (("alias", "set", "churn@3", "challenger"), "gitreg/alias-churn-3-challenger"),
    (("alias", "delete", "churn@champion"), "gitreg/unalias-churn-2-champion"),
    (("rollback", "churn"), "gitreg/rollback-churn-1-production"),
    (("annotate", "churn@3", "--tag", "a=b"), None),
    (("annotate", "churn", "--owner", "ada"), None),
    (("delete", "churn@3", "-m", "leaked"), "gitreg/delete-churn-3"),
    (("delete", "churn", "--force"), "gitreg/delete-churn"),
    (("create", "leavers", "--owner", "ada"), "gitreg/create-leavers"),
    (("rename", "churn", "leavers", "-m", "plainer"), "gitreg/rename-churn-leavers"),
]


@pytest.mark.parametrize(("command", "branch"), COMMANDS)
def test_whatever_changes_a_model_can_be_reviewed(
    stocked: Path,
    shared: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    branch: str | None,
) -> None:
    monkeypatch.chdir(stocked)
    before, main = everything(stocked), at(shared, "main")
    found = gitreg(*command, "--pr", "--json").json
    assert branch in (None, found["branch"])
    assert found["commit"] == at(shared, found["branch"])
    assert at(shared, "main") == main
    assert everything(stocked)["files"] == before["files"]
    assert "Roll back after the merge" in found["body"]
    assert f"Operation <code>{found['operation']}</code>" in found["body"]
    assert "only one" not in error(*command, "--pr", "--push")
    again = gitreg(*command, "--pr", "--json").json
    assert again["commit"] == found["commit"]


def test_the_way_back_of_whole_models(stocked: Path) -> None:
    with Registry(stocked) as registry:
        created = reviewed(registry.create_model("leavers", pr=True)).body
        renamed = reviewed(registry.rename_model("churn", "leavers", pr=True)).body
        deleted = reviewed(registry.delete_model("churn", force=True, pr=True)).body
    assert "gitreg delete leavers -m WHY --pr" in created
    assert "gitreg rename leavers churn -m WHY --pr" in renamed
    assert "beside" not in renamed
    assert "git revert COMMIT" in deleted


def test_push_and_pr_exclude_each_other(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stocked)
    assert "give one of them" in error(*ASK, "--push")
    assert "give one of them" in error(*ASK, "--push", "--dry-run")
    write_model(stocked, "weights 4")
    assert "give one of them" in error("register", "churn", "models/churn", "--pr", "--push")


def test_two_annotations_are_two_requests(stocked: Path) -> None:
    with Registry(stocked) as registry:
        one = registry.annotate("churn@3", tags={"a": "b"}, pr=True)
        other = registry.annotate("churn@3", tags={"a": "c"}, pr=True)
    assert reviewed(one).branch != reviewed(other).branch


def test_by_url_alone(shared: Path) -> None:
    config = shared / "work" / "registry" / ".dvc" / "config"
    config.write_text(config.read_text().replace("../../../dvc-remote", str(shared / "dvc-remote")))
    git(shared / "work", "commit", "--quiet", "-am", "the bytes are at an absolute place")
    git(shared / "work", "push", "--quiet")
    main = at(shared, "main")
    with Registry(f"file://{shared / 'origin.git'}") as registry:
        outcome = registry.promote("churn@3", stage="staging", pr=True)
    assert outcome.commit == at(shared, "gitreg/promote-churn-3-staging")
    assert at(shared, "main") == main


def test_another_base_than_main_has_branches_of_its_own(stocked: Path, shared: Path) -> None:
    git(stocked, "switch", "--quiet", "-c", "release/2026")
    git(stocked, "push", "--quiet", "-u", "origin", "release/2026")
    review = reviewed(ask(stocked))
    assert review.base == "release/2026"
    assert review.branch == "gitreg/release-2026/promote-churn-3-production"


def test_done_before_under_its_id(stocked: Path, shared: Path) -> None:
    with Registry(stocked) as registry:
        asked = registry.promote("churn@3", stage="staging", pr=True, op_id="nightly-1")
        git(shared / "origin.git", "branch", "-f", "main", str(asked.commit))
        again = registry.promote("churn@3", stage="staging", pr=True, op_id="nightly-1")
    assert again.repeated
    assert again.commit == asked.commit
    assert again.review is None


# Its name


def change(action: str, *pairs: tuple[str, str]) -> Change:
    return Change("", trailers=(("Gitreg-Action", action), *pairs))


def test_names_that_could_be_read_in_two_ways_differ() -> None:
    one = change("promote", ("Gitreg-Model", "m-1"), ("Gitreg-Version", "2"))
    other = change(
        "promote", ("Gitreg-Model", "m"), ("Gitreg-Version", "1"), ("Gitreg-Version", "2")
    )
    assert branch_name(one) != branch_name(other)


@given(
    st.text(min_size=1, max_size=100).filter(is_model_name),
    st.text(min_size=1, max_size=100).filter(is_model_name),
)
def test_any_name_makes_a_branch_and_two_make_two(one: str, other: str) -> None:
    names = []
    for model in (one, other):
        pairs = (("Gitreg-Model", model), ("Gitreg-Version", "5"), ("Gitreg-Stage", "production"))
        names.append(branch_name(change("promote", *pairs)))
        assert names[-1].isascii()
        assert len(names[-1]) < 100
        assert set(names[-1]) <= set("gitreg/") | set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-/"
        )
        assert not names[-1].endswith(("-", "/", ".lock"))
    assert (names[0] == names[1]) == (one == other)


@pytest.mark.parametrize("model", ["a..b", "x.lock", "churn", "Größe 2", "con", "a~^?*[\\b", "@"])
def test_git_takes_the_name(tmp_path: Path, model: str) -> None:
    name = branch_name(change("delete", ("Gitreg-Model", model), ("Gitreg-Version", "5")))
    subprocess.run(["git", "check-ref-format", "--branch", name], cwd=tmp_path, check=True)


# GitHub


def test_gh_opens_a_request(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stocked)
    host = hosted(stocked, monkeypatch, "github")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    ran = gitreg(*ASK)
    assert ran.out.splitlines()[1] == "opened: https://github.com/team/churn/pull/1"
    assert ran.err == ""
    listing, create = host.calls
    repository = "github.com/team/churn"
    assert listing["argv"] == [
        "pr",
        "list",
        "--repo",
        repository,
        "--head",
        BRANCH,
        "--base",
        "main",
        "--state",
        "open",
        "--json",
        "number,url,isCrossRepository",
    ]
    assert create["argv"] == [
        "pr",
        "create",
        "--repo",
        repository,
        "--head",
        BRANCH,
        "--base",
        "main",
        "--title",
        "promote churn@3 to production",
        "--body-file",
        "-",
    ]
    assert "beside <code>churn&#64;2</code>" in create["stdin"]
    assert create["strangers"] == []


def test_gh_updates_the_request_that_is_open(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = hosted(stocked, monkeypatch, "github")
    assert reviewed(ask(stocked)).state == "opened"
    again = reviewed(ask(stocked, "measured again"))
    assert (again.state, again.url) == ("updated", "https://github.com/team/churn/pull/1")
    (request,) = host.requests
    assert "measured again" in request["body"]
    assert host.calls[-1]["argv"][:3] == ["pr", "edit", "1"]
    unchanged = reviewed(ask(stocked, "measured again"))
    assert unchanged.state == "updated"  # the text follows even where the branch stays


def test_a_request_that_is_closed_or_of_a_fork_is_another(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = hosted(stocked, monkeypatch, "github")
    ask(stocked)
    (first,) = host.requests
    fork = {**first, "isCrossRepository": True, "number": 2}
    host.set_requests([{**first, "state": "closed"}, fork])
    assert reviewed(ask(stocked)).url == "https://github.com/team/churn/pull/3"
    assert reviewed(ask(stocked)).state == "updated"


def test_a_gh_that_fails_leaves_the_rest_to_a_person(
    stocked: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stocked)
    host = hosted(stocked, monkeypatch, "github")
    host.fails("To get started with GitHub CLI, please run:  gh auth login")
    ran = gitreg(*ASK)
    page = f"https://github.com/team/churn/compare/main...{BRANCH}?expand=1"
    assert ran.err == (
        "warning: the branch is pushed, but no request was opened (gh pr failed: To get started "
        f"with GitHub CLI, please run:  gh auth login): open it at {page}\n"
    )
    assert ran.out.splitlines()[1] == f"open the pull request: {page}"
    assert at(shared) != ""


@pytest.mark.parametrize(
    "said",
    [
        "",
        "[",
        "{}",
        "[1]",
        json.dumps([{"number": 1, "url": "https://evil.example/x/y/pull/1", **OWN}]),
        json.dumps([{"number": "--web", "url": "https://github.com/x/pull", **OWN}]),
    ],
)
def test_what_gh_prints_is_not_believed(
    stocked: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    hosted(stocked, monkeypatch, "github").prints(said)
    outcome = ask(stocked)
    assert "no request was opened" in outcome.warnings[-1]
    assert str(reviewed(outcome).url).startswith("https://github.com/team/churn/compare/")


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_program_that_cannot_be_run(
    stocked: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    host = hosted(stocked, monkeypatch, kind)
    program = host.place / "bin" / ("gh" if kind == "github" else "glab")
    program.write_text("#!/nowhere/python\n")
    assert "cannot be run" in ask(stocked).warnings[-1]
    program.write_text("#!/bin/sh\nPATH=/usr/bin:/bin exec sleep 20\n")
    monkeypatch.setattr("gitreg.review.hostcli.PATIENCE", 0.2)
    assert "did not answer" in ask(stocked).warnings[-1]


# GitLab


def test_glab_opens_and_updates_a_request(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = hosted(stocked, monkeypatch, "gitlab")
    first = reviewed(ask(stocked))
    assert first.state == "opened"
    assert first.url == "https://gitlab.com/ml/models/churn/-/merge_requests/1"
    again = reviewed(ask(stocked, "measured again"))
    assert (again.state, again.url) == ("updated", first.url)
    (request,) = host.requests
    assert request["source_branch"] == BRANCH
    assert request["title"] == "promote churn@3 to production"
    assert "measured again" in request["description"]
    assert [call["argv"][4] for call in host.calls] == ["GET", "POST", "GET", "PUT"]
    assert json.loads(host.calls[1]["stdin"])["target_branch"] == "main"


def _takes_options(repository: Path, said: str) -> None:
    git(repository, "config", "receive.advertisePushOptions", "true")
    hook = repository / "hooks" / "post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\nPATH=/usr/bin:/bin\n"
        "env | grep ^GIT_PUSH_OPTION_ | sort | cut -d= -f2- > ../options\n"
        f"echo >&2; echo 'View merge request for x:' >&2; echo '  {said}' >&2\n"
    )
    hook.chmod(0o755)


def test_gitlab_is_asked_with_the_push_without_glab(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = hosted(stocked, monkeypatch, "gitlab", with_program=False)
    url = "https://gitlab.com/ml/models/churn/-/merge_requests/4"
    _takes_options(host.repository, url)
    review = reviewed(ask(stocked))
    assert (review.state, review.url) == ("opened", url)
    assert set((host.repository.parent / "options").read_text().splitlines()) == {
        "4",  # of them
        "merge_request.create",
        "merge_request.remove_source_branch",
        "merge_request.target=main",
        "merge_request.title=promote churn@3 to production",
    }


def test_a_gitlab_that_takes_no_options_has_a_page(
    stocked: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosted(stocked, monkeypatch, "gitlab", with_program=False)
    review = reviewed(ask(stocked))
    assert review.state == "by hand"
    assert str(review.url).startswith("https://gitlab.com/ml/models/churn/-/merge_requests/new?")
    assert at(shared) != ""


def test_an_address_of_somebody_elses_is_not_believed(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = hosted(stocked, monkeypatch, "gitlab", with_program=False)
    _takes_options(host.repository, "https://evil.example/ml/churn/-/merge_requests/4")
    assert reviewed(ask(stocked)).state == "by hand"


# Neither


def test_without_any_program_the_page_is_printed(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stocked)
    hosted(stocked, monkeypatch, "github", with_program=False)
    page = f"https://github.com/team/churn/compare/main...{BRANCH}?expand=1"
    ran = gitreg(*ASK)
    assert ran.out.endswith(f"open the pull request: {page}\n")
    assert ran.err == ""
    found = gitreg(*ASK, "--json").json
    assert (found["url"], found["state"]) == (page, "by hand")
    assert {"branch", "base", "title", "body", "url", "state"} <= set(found)


def test_a_path_has_no_page(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stocked)
    assert gitreg(*ASK).out.endswith(
        "open a pull request from that branch into main on your Git host\n"
    )
    assert gitreg(*ASK, "--json").json["url"] is None


def test_a_person_says_what_a_host_is(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hosted(stocked, monkeypatch, "github", with_program=False)
    git(stocked, "remote", "set-url", "origin", "git@git.example.com:team/churn.git")
    assert reviewed(ask(stocked)).url is None
    git(stocked, "config", "gitreg.host", "gitea")
    page = f"https://git.example.com/team/churn/compare/main...{BRANCH}"
    assert reviewed(ask(stocked)).url == page
    git(stocked, "config", "gitreg.host", "gittea")
    with pytest.raises(InvalidRequest, match=r"gitreg\.host is 'gittea'"):
        ask(stocked)
