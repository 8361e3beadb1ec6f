"""No secret of a URL is shown or committed, and what holds none stays as it is."""

from __future__ import annotations

import re
import shlex
import string
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gitreg.core.text.urls import (
    address_of,
    has_scheme,
    hide_credentials,
    host_name,
    is_repository,
    page_without_credentials,
    requirements_without_credentials,
    without_credentials,
)

# --- What is shown ------------------------------------------------------------------------------


SECRET = st.text(
    st.characters(codec="ascii", categories=("L", "N", "P", "S"), exclude_characters="'\"/?#"),
    min_size=8,
).filter(lambda text: "://" not in text)
PLAIN = st.text("abcXYZ019!$&()*+,;=:~%_-", min_size=8)


@given(
    secret=SECRET,
    scheme=st.sampled_from(["https", "ssh", "git+https", "http"]),
    form=st.sampled_from(
        [
            "{}://{}@host.example/x.git",
            "{}://ada:{}@host.example:80/x.git",
            "{}://host.example/x.git?token={}",
            "{}://host.example/x#{}",
        ]
    ),
    around=st.sampled_from(["{}", "fatal: '{}' not found", "To {}: no", "see ({})"]),
)
def test_no_secret_in_a_url_is_shown(secret: str, scheme: str, form: str, around: str) -> None:
    shown = hide_credentials(around.format(form.format(scheme, secret)))
    assert secret not in shown
    assert shown.startswith(around.partition("{")[0])


@given(secret=PLAIN, around=st.sampled_from(["{}", "fatal: '{}' not found", "To {}: no"]))
def test_no_password_in_an_ssh_address_is_shown(secret: str, around: str) -> None:
    shown = hide_credentials(around.format(f"ada:{secret}@host.example:team/x.git"))
    assert shown == around.format("host.example:team/x.git")


@pytest.mark.parametrize(
    "text",
    [
        "git@host:x.git",
        "https://host/team/x@v1.git/",
        "ssh://[::1]:22/x",
        "remote: error: hook of ada@example.com: declined",
        "error: a@b: c",
        "refs/heads/main:refs/heads/main",
        "reg.io:5000/x@sha256:0a1b",
        "a:b/c@d:e",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert hide_credentials(text) == text


@pytest.mark.parametrize("secret", ["pa/ss", "pa?ss", "pa#ss", "p@ss", "p@/ss", "a:b/c"])
def test_a_password_that_nobody_encoded_is_hidden(secret: str) -> None:
    told = hide_credentials(f"fatal: 'https://ada:{secret}@host/x.git/' not found")
    assert told == "fatal: 'https://host/x.git/' not found"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ada:p@ss/x@host/x", "https://host/x"),
        ("https://ada:pw%40host/x", "https://host/x"),
        ("https://ada:x://y@host/x", "https://host/x"),
        ("at https://h/https://ada:pw@host/x", "at https://h/https://host/x"),
        ("'https://ada:p w@host/x': Malformed input", "'https://host/x': Malformed input"),
        ('"https://host/x?token=p w": bad', '"https://host/x": bad'),
        ("ada:p/w@host:team/x", "host:team/x"),
        ("ada:p/w@host:x.git", "host:x.git"),
        ("x=https://ada:p@h/x&y=https://b:p@i/", "x=https://h/x&y=https://i/"),
        ("'https://ada:p@s/s@h/x&y=https://b:p@i/'", "'https://h/x&y=https://i/'"),
        (
            "s3://arn:aws:s3:eu-west-1:1234:accesspoint/x",
            "s3://arn:aws:s3:eu-west-1:1234:accesspoint/x",
        ),
    ],
)
def test_what_can_be_read_in_two_ways_shows_less(text: str, shown: str) -> None:
    assert hide_credentials(text) == shown


# --- What is committed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.com/team/x.git", "https://example.com/team/x.git"),
        ("https://ada:s3cret@example.com/x", "https://example.com/x"),
        ("https://ghp_token@example.com/x", "https://example.com/x"),
        ("https://:s3cret@example.com/x", "https://example.com/x"),
        ("https://ada:s3:cr@t@example.com:8443/x", "https://example.com:8443/x"),
        ("https://ada:s3/cr?t@example.com/x", "https://example.com/x"),
        ("https://ada:s3#t@example.com", "https://example.com"),
        ("https://ada:s3@cr/et@example.com/x", "https://example.com/x"),
        ("https://ada@example.com/x@v1", "https://example.com/x@v1"),
        ("https://example.com/x?private_token=t#frag", "https://example.com/x"),
        ("https://example.com?token=t", "https://example.com"),
        ("https://example.com:8443/x@v1", "https://example.com:8443/x@v1"),
        ("https://[::1]:8443/x@v1", "https://[::1]:8443/x@v1"),
        ("https://ada:s3cret@[::1]:8443/x", "https://[::1]:8443/x"),
        ("HTTPS://ada:s3cret@example.com/x", "HTTPS://example.com/x"),
        ("ssh://git@example.com/x", "ssh://git@example.com/x"),
        ("ssh://git:s3cret@example.com:22/x", "ssh://git@example.com:22/x"),
        ("ssh://:s3cret@example.com/x", "ssh://example.com/x"),
        ("git+ssh://git:s3cret@example.com/x", "git+ssh://git@example.com/x"),
        ("git+https://ada:s3cret@example.com/x", "git+https://example.com/x"),
        ("helper::https://ada:s3cret@example.com/x", "helper::https://example.com/x"),
        ("ext::sh -c https://ada:s3cret@example.com/x", "ext::sh -c https://example.com/x"),
        ("s3://key:s3cret@bucket/x", "s3://bucket/x"),
        ("git@example.com:team/x.git", "git@example.com:team/x.git"),
        ("git@example.com:team/x@v1", "git@example.com:team/x@v1"),
        ("example.com:team/x.git", "example.com:team/x.git"),
        ("git:s3cret@example.com:team/x.git", "git@example.com:team/x.git"),
        ("/srv/git/x.git", "/srv/git/x.git"),
        ("../x@y:z", "../x@y:z"),
        ("reg.io:5000/x@sha256:0a1b", "reg.io:5000/x@sha256:0a1b"),
        ("a:b/c@d:e", "a:b/c@d:e"),
        ("C:\\git\\x@y", "C:\\git\\x@y"),
        ("file:///srv/git/x.git", "file:///srv/git/x.git"),
        ("", ""),
    ],
)
def test_urls_without_credentials(url: str, expected: str) -> None:
    assert without_credentials(url) == expected


SCHEMES = st.sampled_from(["https", "http", "ssh", "git+ssh", "git+https", "ftp", "h::https"])
HOSTS = st.sampled_from(["example.com", "example.com:8443", "[::1]:22", "127.0.0.1"])
PATHS = st.text(string.ascii_letters + "/.-_", max_size=20).map(lambda path: f"/{path}")
# What a person pastes, encoded or not. It does not begin with digits: up to a raw slash they
# would read as a port, and what follows as a path.
PASSWORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1).map(
    lambda text: f"S3CRET{text}S3CRET"
)
LOGINS = st.tuples(
    st.sampled_from(["", "ada", "a.b"]),
    PASSWORDS | PASSWORDS.map(lambda password: quote(password, safe="")),
).map(":".join)


@given(SCHEMES, LOGINS, HOSTS, PATHS)
def test_no_password_survives(scheme: str, login: str, host: str, path: str) -> None:
    cleaned = without_credentials(f"{scheme}://{login}@{host}{path}")
    assert "S3CRET" not in cleaned
    assert cleaned.endswith(host + path)
    assert without_credentials(cleaned) == cleaned


@given(SCHEMES, HOSTS, PATHS, st.sampled_from("?#"), PASSWORDS)
def test_no_token_in_a_query_survives(
    scheme: str, host: str, path: str, mark: str, token: str
) -> None:
    assert "S3CRET" not in without_credentials(f"{scheme}://{host}{path}{mark}t={token}")


@given(st.sampled_from(["git", "a.b"]), st.text(string.ascii_letters + "@:", max_size=9), PATHS)
def test_no_password_of_an_scp_address_survives(user: str, middle: str, path: str) -> None:
    cleaned = without_credentials(f"{user}:S3CRET{middle}S3CRET@example.com:{path}")
    assert cleaned == f"{user}@example.com:{path}"


@given(st.text())
def test_any_text_is_cleaned_once_and_for_all(url: str) -> None:
    cleaned = without_credentials(url)
    assert len(cleaned) <= len(url)


@pytest.mark.parametrize(
    "url", ["https://ada:pw%40host/x", "https://h/https://ada:pw@host/x", "ada:p/w@host:team/x"]
)
def test_a_url_that_can_be_read_in_two_ways_keeps_less(url: str) -> None:
    assert "pw" not in without_credentials(url).replace("p/w", "pw")


@pytest.mark.parametrize("mark", ["#/experiments/1/runs/0a1b", "#!/x", ""])
def test_a_page_keeps_its_place_in_the_site(mark: str) -> None:
    page = page_without_credentials(f"http://ada:S3CRET@mlflow.internal/?t=S3CRET{mark}")
    assert page == f"http://mlflow.internal/{mark}"
    assert page_without_credentials("http://h/x#access_token=S3CRET") == "http://h/x"


# --- Requirements -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--proxy ada:S3CRET@proxy", "--proxy proxy"),
        ("--proxy=ada:S3CRET@proxy:8080", "--proxy=proxy:8080"),
        ("--proxy = ada:S3CRET@proxy:8080", "--proxy = proxy:8080"),
        ("--proxy S3CRET@proxy", "--proxy proxy"),
        ("--proxy 'ada:S3/CR@ET@proxy:8080'", "--proxy 'proxy:8080'"),
        ("--proxy ada:S3CRET%40proxy", "--proxy proxy"),
        ("--proxy //ada:S3CRET@proxy", "--proxy proxy"),
        ("--prox ada:S3CRET@proxy", "--prox proxy"),
        ("--PROXY ada:S3CRET@proxy", "--PROXY proxy"),
        ("--proxy \\\n  ada:S3CRET@proxy", "--proxy \\\n  proxy"),
        ("--proxy ada:S3\\\nCRET@proxy", "--proxy proxy"),
        ("--proxy socks5://ada:S3CRET@proxy:1080", "--proxy socks5://proxy:1080"),
        ("# pip --proxy ada:S3CRET@proxy", "# pip --proxy proxy"),
        ("# (--proxy ada:S3CRET@proxy)", "# (--proxy proxy)"),
        ("--trusted-host ada:S3CRET@host:8080", "--trusted-host host:8080"),
        ("-i https://ada:S3CRET@host/simple", "-i https://host/simple"),
        ("-ihttps://ada:S3CRET@host/simple", "-ihttps://host/simple"),
        ("-iada:S3CRET@host/simple", "-ihost/simple"),
        ("--index-url host/simple?token=S3CRET", "--index-url host/simple"),
        ("--index-url=host/simple#S3CRET", "--index-url=host/simple"),
        ("--extra-index-url\thttps://S3CRET@host/x", "--extra-index-url\thttps://host/x"),
        ("--extra-index-url https://ada:S3\\\nCRET@host/x", "--extra-index-url https://host/x"),
        ("--find-links=https://host/x?sig=S3CRET", "--find-links=https://host/x"),
        ("-f ada:S3CRET@host/wheels", "-f host/wheels"),
        ("-fada:S3CRET@host/wheels", "-fhost/wheels"),
        ("-r https://ada:S3CRET@host/r.txt", "-r https://host/r.txt"),
        ("-e git+https://ada:S3@CRET@host/x@v1#egg=x", "-e git+https://host/x@v1#egg=x"),
        ("-e git:S3CRET@host:team/x.git", "-e host:team/x.git"),
        ("x @ git+https://${TOKEN}:S3CRET@host/x@v1", "x @ git+https://host/x@v1"),
        ("x@https://ada:S3CRET@host/x.whl", "x@https://host/x.whl"),
        ("x @ https://h/https://ada:S3CRET@host/x", "x @ https://h/https://host/x"),
        ("x @ https://ada:S3CRET@h/x;extra=='a'", "x @ https://h/x;extra=='a'"),
        ("x @ ada:S3CRET://y@host/x", "x @ host/x"),
        ("x @=ada:S3CRET@host/x", "x @=host/x"),
        ("x @ https://a:b:S3CRET@host/x", "x @ https://host/x"),
        ("ada:\\\nS3CRET@host:x", "host:x"),
        ("# see ada:S3CRET@host:x, or a:b@c", "# see host:x, or a:b@c"),
        ("# -f ada:S3CRET@host/wheels", "# -f host/wheels"),
        ("# don't use https://ada:S3CRET@h/x, don't", "# don't use https://h/x, don't"),
        ("--pre --proxy -aS3CRET@proxy", "--pre --proxy -aproxy"),
        ("--pre -iada:S3CRET@host", "--pre -ihost"),
    ],
)
def test_no_secret_of_a_requirements_file_survives(line: str, expected: str) -> None:
    for around in ("{}", "{}\n", "a==1\n{}\r\nb==2\n", "\t{}  # why\n"):
        cleaned = requirements_without_credentials(around.format(line))
        assert cleaned == around.format(expected)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('--proxy "ada:my S3CRET@proxy:8080"', '--proxy "proxy:8080"'),
        ("--proxy ada:my\\ S3CRET@proxy:8080", "--proxy proxy:8080"),
        ('--proxy "ada:S3\'CRET@proxy:8080"', '--proxy "proxy:8080"'),
        ('--proxy "ada:S3\\"CRET@proxy:8080"', '--proxy "proxy:8080"'),
        ('--proxy ada:S3"CRET@proxy:8080', "--proxy proxy:8080"),
        ('--proxy ada:"S3CRET"@proxy:8080', "--proxy proxy:8080"),
        ("--proxy 'ada':S3CRET@proxy:8080", "--proxy proxy:8080"),
        ('--proxy "ada":"S3CRET@proxy:8080"', '--proxy "proxy:8080"'),
        ('--proxy ada:S3CRET"@proxy:8080"', "--proxy proxy:8080"),
        ("--proxy 'http://ada:my S3CRET@proxy'", "--proxy 'http://proxy'"),
        ('--proxy "ada:my #S3CRET@proxy"', '--proxy "proxy"'),
        ("--proxy='ada:my S3CRET@proxy'", "--proxy='proxy'"),
        ('"--proxy=ada:my S3CRET@proxy"', '"--proxy=proxy"'),
        ('"--proxy" ada:S3CRET@proxy', '"--proxy" proxy'),
        ("--pr\\\noxy S3CRET@proxy", "--pr\\\noxy proxy"),
        ('--index-url "https://ada:my S3CRET@host/simple"', '--index-url "https://host/simple"'),
        ("--index-url https://ada:my\\ S3CRET@host/simple", "--index-url https://host/simple"),
        ("--index-url https:\\\n//ada:S3CRET@host/x", "--index-url https://host/x"),
        ("--index-url https://ada:\\\nS3CRET@host/x", "--index-url https://host/x"),
        ("-i 'https://ada:S3\\\nCRET@host/x'", "-i 'https://host/x'"),
        ("-f https:'//S3CRET@host/x'", "-f https://host/x"),
        ("-f https://ada:S3CRET@host/my\\ path", "-f 'https://host/my path'"),
        ("https:\\\n//ada:S3CRET@host/x", "https://host/x"),
        ("https\\\n://ada:S3CRET@host/x", "https://host/x"),
        ('# -i "https://ada:my S3CRET@host/simple"', '# -i "https://host/simple"'),
    ],
)
def test_quotes_and_line_ends_inside_a_word_hide_no_secret(line: str, expected: str) -> None:
    for around in ("{}", "a==1\n{}\r\nb==2\n", "\t{}  # why\n"):
        cleaned = requirements_without_credentials(around.format(line))
        assert cleaned == around.format(expected)
        crlf = requirements_without_credentials(around.format(line.replace("\n", "\r\n")))
        assert crlf == around.format(expected.replace("\n", "\r\n"))


@pytest.mark.parametrize(
    "line",
    [
        "numpy==2.1.0 --hash=sha256:0a1b",
        "x==1 \\\n    --hash=sha256:0a1b@c",
        "x==1  # via a:b@c",
        "# pip-compile --index-url=https://pypi.org/simple --output-file=a@b.txt",
        '# don\'t --output-file a@b.txt, "or" -o a@b.txt \\',
        "--pre -e ./x@v1",
        "--proxy 'proxy:8080' --find-links \"my wheels@v1\" -c my\\ file.txt",
        "--proxy '${USER}:${TOKEN}@proxy:8080' --cert it's",
        "x @ file:///srv/a@b/x.whl",
        "-e ./x@v1",
        "-e git+ssh://git@host/x.git@v1",
        "-r constraints@v1.txt",
        "-c C:\\x@y.txt",
        "--find-links ./wheels@v1",
        "--config-settings k=a@b",
        "--no-binary :all:",
        "--only-binary=:none:",
        "--proxy proxy:8080",
        "--trusted-host host",
        "-i https://${USER}:${TOKEN}@host/simple",
        "--proxy ${USER}:${TOKEN}@proxy:8080",
        "--proxy=https://${TOKEN}@proxy",
        "x @ git+https://${TOKEN}@host/x@v1#egg=x&subdirectory=a",
        "x @ https://host/x.whl\\\n    --hash=sha256:0a1b",
        "x; python_version > '3'  # of mailto:ada@example.com, and ada@example.com",
        "tool[a,b]~=1.0; extra == 'a'",
    ],
)
def test_what_holds_no_secret_in_a_requirements_file_stays(line: str) -> None:
    for around in ("{}", "a==1\n{}\r\nb==2\n"):
        assert requirements_without_credentials(around.format(line)) == around.format(line)


OPTIONS = ["--proxy", "--index-url", "--extra-index-url", "--trusted-host", "--find-links", "-i"]
OPTIONS += ["-f", "-e", "-r", "-c", "--pypi-url", "x @"]
# Of what one word of a line may hold; a backslash ends no line.
PASTED = st.text(string.ascii_letters + string.digits + "@:/%+!$&*()=~._-,;", max_size=8).map(
    lambda text: f"S3CRET{text}S3CRET"
)


@given(
    option=st.sampled_from(OPTIONS),
    gap=st.sampled_from([" ", "  ", "\t", "="]),
    scheme=st.sampled_from(["", "https://", "http://", "git+https://", "HTTPS://", "svn+http://"]),
    login=st.sampled_from(["{}", "ada:{}", ":{}", "a.b:{}"]),
    password=PASTED | PASTED.map(lambda text: quote(text, safe="")),
    host=HOSTS,
    path=st.sampled_from(["", "/simple", "/team/x.git", "/a/b.whl"]),
)
@example("--proxy", "=", "", "ada:{}", "S3CRET", "example.com", "")
def test_no_password_of_an_option_survives(
    option: str, gap: str, scheme: str, login: str, password: str, host: str, path: str
) -> None:
    assume(scheme or login == "ada:{}")
    # Nothing tells a token with a slash from a host and a path, nor the last part of a password
    # from the revision of a repository.
    assume("/" not in password or (login != "{}" and "+" not in scheme))
    line = f"{option}{gap}{scheme}{login.format(password)}@{host}{path}"
    cleaned = requirements_without_credentials(f"a==1\n{line}\nb==2\n")
    assert "S3CRET" not in cleaned
    assert cleaned == f"a==1\n{option}{gap}{scheme}{host}{path}\nb==2\n"


def escaped(text: str) -> str:
    return re.sub(r"(\W)", r"\\\1", text)


@given(
    option=st.sampled_from([*OPTIONS[:-1], "# pip --proxy"]),
    scheme=st.sampled_from(["", "https://", "http://"]),
    words=st.lists(PASTED, min_size=1, max_size=3),
    gaps=st.sampled_from(" \t'\""),
    host=HOSTS,
    path=st.sampled_from(["", "/simple", "/team/x.git"]),
    shell=st.sampled_from([shlex.quote, escaped]),
)
def test_no_password_that_a_shell_would_read_survives(
    option: str,
    scheme: str,
    words: list[str],
    gaps: str,
    host: str,
    path: str,
    shell: Callable[[str], str],
) -> None:
    value = shell(f"{scheme}ada:{gaps.join(words)}@{host}{path}")
    cleaned = requirements_without_credentials(f"a==1\n{option} {value}  # why\nb==2\n")
    assert "S3CRET" not in cleaned
    before, line, after = cleaned.splitlines()
    assert (before, after) == ("a==1", "b==2")
    assert shlex.split(line.removeprefix("# "), comments=True)[-1] == f"{scheme}{host}{path}"


@given(st.text(st.characters(codec="utf-8", exclude_characters="@%?#")))
def test_a_file_without_a_login_stays(text: str) -> None:
    assert requirements_without_credentials(text) == text


@given(st.sampled_from(OPTIONS), st.sampled_from("?#"), HOSTS, PASTED)
def test_no_token_of_an_option_survives(option: str, mark: str, host: str, token: str) -> None:
    line = f"{option} https://{host}/simple{mark}t={token}"
    assert "S3CRET" not in requirements_without_credentials(line)


@given(st.sampled_from(OPTIONS), st.sampled_from(["https", "git+https"]), HOSTS, PATHS)
def test_a_url_without_a_secret_stays(option: str, scheme: str, host: str, path: str) -> None:
    url = f"{scheme}://{host}{path}"
    assert without_credentials(url) == url
    assert requirements_without_credentials(f"{option} {url}\n") == f"{option} {url}\n"
    assert hide_credentials(f"fatal: '{url}' not found") == f"fatal: '{url}' not found"


# --- What it is ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scheme", "repository", "parts"),
    [
        ("https://host:80/a/b", True, True, ("https", "host", "80", "a/b")),
        ("ssh://git@host/a/b", True, True, ("ssh", "host", None, "a/b")),
        ("git+ssh://git@host/a", True, False, ("git+ssh", "host", None, "a")),
        ("git@host:a/b", False, True, ("ssh", "host", None, "a/b")),
        ("host:a", False, True, ("ssh", "host", None, "a")),
        ("file:///srv/x", True, True, None),
        ("https://-x/a", True, False, ("https", "-x", None, "a")),
        ("ext::sh -c id", False, False, None),
        ("./a:b", False, False, None),
        ("C:/x", False, True, None),
        ("/srv/x", False, False, None),
        ("", False, False, None),
    ],
)
def test_what_a_text_is(
    text: str, scheme: bool, repository: bool, parts: tuple[str, ...] | None
) -> None:
    assert has_scheme(text) == scheme
    assert is_repository(text) == repository
    assert address_of(text) == parts


@pytest.mark.parametrize(
    ("url", "host"),
    [("ssh://-oProxyCommand=x", "-oProxyCommand=x"), ("https://a@b:c", "b"), ("git@host:x", "")],
)
def test_the_host_of_a_url(url: str, host: str) -> None:
    assert host_name(url) == host
