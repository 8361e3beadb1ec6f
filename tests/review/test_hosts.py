"""Git hosts by the forms of a remote's URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.review.hosts import Kind, host_of

HEAD = "gitreg/promote-churn-5-production"
GITHUB = f"https://github.com/team/churn/compare/main...{HEAD}?expand=1"
GITLAB = (
    "https://gitlab.com/ml/models/churn/-/merge_requests/new?merge_request%5Bsource_branch%5D="
    "gitreg%2Fpromote-churn-5-production&merge_request%5Btarget_branch%5D=main"
)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/team/churn.git", GITHUB),
        ("https://github.com/team/churn/", GITHUB),
        ("https://ada:secret@github.com/team/churn", GITHUB),
        ("git@github.com:team/churn.git", GITHUB),
        ("github.com:team/churn", GITHUB),
        ("org-7@github.com:team/churn.git", GITHUB),
        ("ssh://git@github.com/team/churn.git", GITHUB),
        ("ssh://git@ssh.github.com:443/team/churn.git", GITHUB),
        ("git+ssh://git@GitHub.com/team/churn.git", GITHUB),
        ("https://gitlab.com/ml/models/churn.git", GITLAB),
        ("git@gitlab.com:ml/models/churn.git", GITLAB),
        ("ssh://git@altssh.gitlab.com:443/ml/models/churn.git", GITLAB),
        (
            "https://bitbucket.org/team/churn.git",
            (
                "https://bitbucket.org/team/churn/pull-requests/new?"
                "source=gitreg%2Fpromote-churn-5-production&dest=main"
            ),
        ),
        (
            "ssh://git@bitbucket.example.com:7999/ml/churn.git",
            (
                "https://bitbucket.example.com/projects/ML/repos/churn/pull-requests?create&"
                "sourceBranch=refs%2Fheads%2Fgitreg%2Fpromote-churn-5-production&"
                "targetBranch=refs%2Fheads%2Fmain"
            ),
        ),
        (
            "https://bitbucket.example.com/scm/~ada/churn.git",
            (
                "https://bitbucket.example.com/users/ada/repos/churn/pull-requests?create&"
                "sourceBranch=refs%2Fheads%2Fgitreg%2Fpromote-churn-5-production&"
                "targetBranch=refs%2Fheads%2Fmain"
            ),
        ),
        (
            "https://codeberg.org/team/churn",
            f"https://codeberg.org/team/churn/compare/main...{HEAD}",
        ),
        (
            "http://gitea.example.com:3000/team/churn.git",
            f"http://gitea.example.com:3000/team/churn/compare/main...{HEAD}",
        ),
        (
            "ssh://git@git-forgejo.example.com:2222/team/churn.git",
            f"https://git-forgejo.example.com/team/churn/compare/main...{HEAD}",
        ),
        (
            "https://github.example.com:8443/team/churn",
            f"https://github.example.com:8443/team/churn/compare/main...{HEAD}?expand=1",
        ),
    ],
)
def test_where_a_person_opens_a_request(url: str, expected: str) -> None:
    host = host_of(url)
    assert host is not None
    assert host.compare_url("main", HEAD) == expected


@pytest.mark.parametrize(
    "url",
    [
        "/srv/git/churn.git",
        "../churn.git",
        "file:///srv/churn.git",
        "git://github.com/a/b",
        "C:/repos/churn",
        "./github.com:a/b",
        "",
        "ext::sh -c true",
        "https://github.com",
        "https://github.com/churn",
        "git@github.com:churn",
        "https:///team/churn",
        "https://git hub.com/team/churn",
        "https://github.com/team/../churn",
        "https://github.com/team/ch%0aurn",
        "https://github.com/team/churn?x=1",
        "https://github.com/team/churn\n",
        "ssh://-oProxyCommand=x/team/churn",
        "https://github..com/team/churn",
        "git@github.com:~/churn.git/..",
        'https://github.com/team/ch"urn',
    ],
)
def test_what_has_no_pages(url: str) -> None:
    assert host_of(url) is None


def test_a_host_whose_name_does_not_say_what_it_is() -> None:
    host = host_of("git@git.example.com:team/churn.git")
    assert host is not None
    assert (host.kind, host.compare_url("main", "x"), host.commit_url("a" * 40)) == (
        None,
        None,
        None,
    )
    for name in ("notgithub.example.com", "mygitlabs.example.com"):
        other = host_of(f"https://{name}/team/churn")
        assert other is not None
        assert other.kind is None
    told = host_of("git@git.example.com:team/churn.git", "gitlab")
    assert told is not None
    assert str(told.compare_url("main", "x")).startswith("https://git.example.com/team/churn/-/")


@pytest.mark.parametrize(
    ("url", "kind", "page"),
    [
        ("https://github.com/t/c", None, "https://github.com/t/c/commit/"),
        ("https://gitlab.com/t/c", None, "https://gitlab.com/t/c/-/commit/"),
        ("https://bitbucket.org/t/c", None, "https://bitbucket.org/t/c/commits/"),
        ("https://git.example.com/t/c", "gitea", "https://git.example.com/t/c/commit/"),
        (
            "https://git.example.com/scm/t/c",
            "bitbucket-server",
            "https://git.example.com/projects/T/repos/c/commits/",
        ),
    ],
)
def test_the_page_of_a_commit(url: str, kind: Kind | None, page: str) -> None:
    host = host_of(url, kind)
    assert host is not None
    assert host.commit_url("ab" * 20) == page + "ab" * 20
    assert host.commit_url("main") is None


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://github.com/team/churn/pull/12", True),
        ("https://GitHub.com/renamed/churn/pull/12", True),
        ("https://github.com/group/sub/churn/-/merge_requests/7", True),
        ("https://github.com/team/churn/pull/new/x", False),
        ("https://github.com.evil.example/team/churn/pull/12", False),
        ("http://github.com/team/churn/pull/12", False),
        ("https://github.com/team/churn/pull/12?x=[31m", False),
        ("javascript:alert(1)//github.com/team/churn/pull/12", False),
        ("", False),
    ],
)
def test_which_address_is_believed(url: str, good: bool) -> None:
    host = host_of("https://github.com/team/churn")
    assert host is not None
    assert host.is_request(url) == good
    assert host.find_request(f"Creating…\n{url}\n") == (url if good else None)


@given(st.text())
def test_no_text_breaks_it_or_smuggles_anything_in(url: str) -> None:
    for given_url in (url, f"git@github.com:{url}", f"https://github.com/{url}"):
        host = host_of(given_url)
        page = None if host is None else host.compare_url("main", "x")
        if page is not None:
            assert page.startswith("https://")
            assert not set(page) & set(" \"'<>\n\\`")
