"""Signatures are verified against the keys of a policy alone, whatever its names look like."""

from __future__ import annotations

import base64
import hashlib
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gitreg.approvals.signatures import (
    APPROVAL,
    GIT,
    SIZE_LIMIT,
    Unverified,
    parse_signature,
    signer_of_commit,
    signers_of_commits,
    verify,
)
from gitreg.core.model.keys import (
    Signers,
    check_fingerprint,
    check_principal,
    parse_key,
    split_fields,
)
from gitreg.errors import GitError, InvalidDocument, InvalidRequest
from gitreg.git.repository import GitRepository
from tests.conftest import git
from tests.support.signers import Key, make_key, use_ssh

ADA, GRACE = "ada@example.com", "grace@example.com"
TEXT = b"gitreg-approval 1\nmodel: churn\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Key]:
    folder = tmp_path_factory.mktemp("keys")
    return {
        "ada": make_key(folder, "ada"),
        "grace": make_key(folder, "grace"),
        "ecdsa": make_key(folder, "ecdsa", "-t", "ecdsa", "-b", "384"),
        "rsa": make_key(folder, "rsa", "-t", "rsa", "-b", "2048"),
        "short": make_key(folder, "short", "-t", "rsa", "-b", "1024"),
    }


def signers(**listed: Key) -> Signers:
    return Signers.of({f"{name}@example.com": [key.line] for name, key in listed.items()})


@pytest.mark.parametrize("name", ["ada", "ecdsa", "rsa"])
def test_a_good_signature_says_whose_it_is(keys: dict[str, Key], name: str) -> None:
    signature = keys[name].sign(TEXT)
    people = Signers.of({ADA: [keys[name].line], GRACE: [keys["grace"].line]})
    assert verify(TEXT, signature, APPROVAL, people) == ADA
    # Mail and checkouts on Windows turn the line breaks.
    assert verify(TEXT, signature.replace(b"\n", b"\r\n"), APPROVAL, people) == ADA
    assert verify(TEXT, signature.rstrip(), APPROVAL, people) == ADA


def test_what_does_not_count(keys: dict[str, Key]) -> None:
    people = signers(ada=keys["ada"])
    good = keys["ada"].sign(TEXT)
    lines = good.splitlines(keepends=True)
    flipped = lines[2][:9] + (b"B" if lines[2][9:10] != b"B" else b"C") + lines[2][10:]
    for text, signature, why in (
        (TEXT + b"x", good, "it signs a different text"),
        (TEXT.replace(b"\n", b"\r\n"), good, "it signs a different text"),
        (TEXT, keys["grace"].sign(TEXT), "belongs to no signer of the policy"),
        (TEXT, keys["ada"].sign(TEXT, "git"), "signed for 'git', not for gitreg-approval"),
        (TEXT, keys["ada"].sign(TEXT, "file"), "signed for 'file'"),
        (TEXT, keys["short"].sign(TEXT), "1024 bits"),
        (TEXT, good[:-40], "truncated"),
        (TEXT, b"".join([*lines[:-2], lines[-1]]), "truncated"),
        (TEXT, b"", "not an SSH signature"),
        (TEXT, good * 2, "not an SSH signature"),
        (TEXT, b"junk\n" + good, "not an SSH signature"),
        (TEXT, good.rstrip() + b"\n" * (1 << 20), "more than 16 KiB"),
        (TEXT, b"".join([*lines[:2], flipped, *lines[3:]]), "."),
    ):
        with pytest.raises(Unverified, match=why):
            verify(text, signature, APPROVAL, people)
    assert len(good) < SIZE_LIMIT


def test_git_s_signatures_are_no_approvals_and_the_other_way_round(keys: dict[str, Key]) -> None:
    people = signers(ada=keys["ada"])
    assert verify(TEXT, keys["ada"].sign(TEXT, GIT), GIT, people) == ADA
    with pytest.raises(Unverified):
        verify(TEXT, keys["ada"].sign(TEXT, APPROVAL), GIT, people)


def test_a_revoked_key_counts_no_more(keys: dict[str, Key]) -> None:
    fingerprint = parse_key(keys["ada"].line).fingerprint
    shown = subprocess.run(
        ["ssh-keygen", "-lf", keys["ada"].file], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[1] == fingerprint
    both = {ADA: [keys["ada"].line, keys["ecdsa"].line]}
    for spelled in (fingerprint, f"{fingerprint}="):
        people = Signers.of(both, [check_fingerprint(spelled)])
        with pytest.raises(Unverified, match="revoked"):
            verify(TEXT, keys["ada"].sign(TEXT), APPROVAL, people)
        assert verify(TEXT, keys["ecdsa"].sign(TEXT), APPROVAL, people) == ADA
    for wrong in ("MD5:aa:bb", fingerprint[:-1], f"{fingerprint} x", ""):
        with pytest.raises(InvalidRequest):
            check_fingerprint(wrong)


def test_a_key_of_two_is_nobody_s(keys: dict[str, Key]) -> None:
    people = Signers.of({ADA: [keys["ada"].line], GRACE: [keys["grace"].line, keys["ada"].line]})
    with pytest.raises(Unverified, match="so it counts for none of them"):
        verify(TEXT, keys["ada"].sign(TEXT), APPROVAL, people)
    twice = Signers.of({ADA: [keys["ada"].line, keys["ada"].line + " again"]})
    assert verify(TEXT, keys["ada"].sign(TEXT), APPROVAL, twice) == ADA


HOSTILE = [
    "*",
    "*@example.com",
    "?da@example.com",
    "ada@example.com,grace@example.com",
    "ada example",
    "ada@example.com\ngrace@example.com ssh-ed25519 AAAA",
    "-oada",
    "--help",
    "!ada",
    "#ada",
    "",
    'ada" namespaces="git',
    "ada@example.com cert-authority",
    "ada\u202e@example.com",
    "a" * 101,
    "Ada <ada@example.com>",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_lets_nobody_in(keys: dict[str, Key], name: str) -> None:
    with pytest.raises(InvalidRequest):
        check_principal(name)
    people = Signers.of({name: [keys["grace"].line], ADA: [keys["ada"].line]})
    with pytest.raises(Unverified):
        verify(TEXT, keys["grace"].sign(TEXT), APPROVAL, people)
    assert verify(TEXT, keys["ada"].sign(TEXT), APPROVAL, people) == ADA


def test_a_hostile_key_lets_nobody_in(keys: dict[str, Key]) -> None:
    line = keys["grace"].line
    for key in (
        f"cert-authority {line}",
        f'namespaces="*" {line}',
        f"* {line}",
        f"ada@example.com {line}",
        f"{line.split()[0]}",
        line.split()[1],
        line.replace("ssh-ed25519", "ssh-rsa"),
        line.replace(" ", "\t"),
        f"{keys['ada'].line}\n{line}",
        line[:-8],
        line + "AAAA",
        f"ssh-dss {line.split()[1]}",
        f"ssh-ed25519-cert-v01@openssh.com {line.split()[1]}",
        "",
        keys["short"].line,
        "ssh-ed25519 " + "A" * 20000,
    ):
        with pytest.raises(InvalidRequest):
            parse_key(key)
        with pytest.raises(Unverified):
            verify(TEXT, keys["grace"].sign(TEXT), APPROVAL, Signers.of({ADA: [key]}))


def test_a_certificate_of_a_listed_authority_is_none_of_the_keys(
    keys: dict[str, Key], tmp_path: Path
) -> None:
    holder = make_key(tmp_path, "holder")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", keys["ada"].private, "-I", "id", "-n", ADA, holder.file],
        check=True,
        capture_output=True,
    )
    certified = tmp_path / "holder-cert.pub"
    with pytest.raises(InvalidRequest, match="cert-v01"):
        parse_key(certified.read_text())
    signed = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-n", APPROVAL, "-f", certified],
        input=TEXT,
        capture_output=True,
        check=False,
    )
    if signed.returncode == 0:
        with pytest.raises(Unverified):
            verify(TEXT, signed.stdout, APPROVAL, signers(ada=keys["ada"]))


def _field(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def test_a_security_key_counts() -> None:
    """As one signs: over the application, flags, a counter and the hash of the text."""
    kind, application = b"sk-ssh-ed25519@openssh.com", b"ssh:"
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    blob = _field(kind) + _field(public) + _field(application)
    head = b"SSHSIG" + _field(APPROVAL.encode()) + _field(b"") + _field(b"sha512")
    signed = head + _field(hashlib.sha512(TEXT).digest())
    tail = b"\1" + struct.pack(">I", 7)
    message = hashlib.sha256(application).digest() + tail + hashlib.sha256(signed).digest()
    raw = _field(kind) + _field(private.sign(message)) + tail
    body = b"SSHSIG\0\0\0\1" + b"".join(map(_field, (blob, APPROVAL.encode(), b"", b"sha512", raw)))
    armored = b"-----BEGIN SSH SIGNATURE-----\n%s\n-----END SSH SIGNATURE-----\n" % (
        base64.b64encode(body)
    )
    line = f"{kind.decode()} {base64.b64encode(blob).decode()}"
    people = Signers.of({ADA: [line]})
    assert verify(TEXT, armored, APPROVAL, people) == ADA
    with pytest.raises(Unverified):
        verify(TEXT + b"x", armored, APPROVAL, people)
    with pytest.raises(InvalidDocument):
        parse_signature(armored.replace(b"U1NI", b"U1NJ"))  # of another format
    assert len(split_fields(blob)) == 3


def test_without_ssh_keygen_it_is_the_world_that_is_wrong(
    keys: dict[str, Key], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    signature = keys["ada"].sign(b"never verified before")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitError, match="ssh-keygen is not installed"):
        verify(b"never verified before", signature, APPROVAL, signers(ada=keys["ada"]))


# Commits and tags


@pytest.fixture
def repository(tmp_path: Path, keys: dict[str, Key]) -> GitRepository:
    """A repository with a commit that is signed by ada."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "repo")
    folder = tmp_path / "repo"
    use_ssh(folder, str(keys["ada"].file), commits=True)
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "one\n\nbody")
    return GitRepository(folder)


def rewritten(repository: GitRepository, data: bytes) -> str:
    return repository.writer.write("commit", data)


def test_who_signed_a_commit(repository: GitRepository, keys: dict[str, Key]) -> None:
    people = signers(ada=keys["ada"], grace=keys["grace"])
    head = git(repository.folder, "rev-parse", "HEAD")
    assert signer_of_commit(repository, head, people) == ADA
    assert signer_of_commit(repository, head, signers(grace=keys["grace"])) is None
    revoked = Signers.of({ADA: [keys["ada"].line]}, [parse_key(keys["ada"].line).fingerprint])
    assert signer_of_commit(repository, head, revoked) is None
    # Somebody else's signature under ada's name: the signature says whose it is.
    git(
        repository.folder,
        "-c",
        f"user.signingkey={keys['grace'].private}",
        "commit",
        "--quiet",
        "--allow-empty",
        "-m",
        "as ada",
    )
    forged = git(repository.folder, "rev-parse", "HEAD")
    assert git(repository.folder, "log", "-1", "--format=%ae") == ADA
    assert signer_of_commit(repository, forged, people) == GRACE
    git(repository.folder, "commit", "--quiet", "--no-gpg-sign", "--allow-empty", "-m", "plain")
    plain = git(repository.folder, "rev-parse", "HEAD")
    assert signers_of_commits(repository, [head, forged, plain, "0" * 40], people) == {
        head: ADA,
        forged: GRACE,
        plain: None,
        "0" * 40: None,
    }
    tree = git(repository.folder, "rev-parse", "HEAD^{tree}")
    assert signer_of_commit(repository, tree, people) is None


def test_a_signature_is_over_its_own_commit(
    repository: GitRepository, keys: dict[str, Key]
) -> None:
    people = signers(ada=keys["ada"])
    head = git(repository.folder, "rev-parse", "HEAD")
    found = repository.reader.get(head)
    assert found is not None
    header = found.data.partition(b"\n\n")[0]
    block = header[header.index(b"gpgsig ") :]
    for data in (
        found.data.replace(b"\nbody", b"\nother"),  # pasted under another message
        found.data.replace(ADA.encode(), b"eve@example.com"),
        found.data.replace(block, block + b"\n" + block),  # two of them
        found.data.replace(block, block + b"\n" + block.replace(b"gpgsig", b"gpgsig-sha256", 1)),
        found.data.replace(block, b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n x"),
        found.data.replace(b"\n" + block, b"") + block,  # in the message, where it is only words
        found.data.replace(block, block.replace(b"gpgsig", b"mergetag", 1)),
    ):
        assert data != found.data
        assert signer_of_commit(repository, rewritten(repository, data), people) is None
    git(repository.folder, "commit", "--quiet", "--amend", "--no-edit", "--allow-empty", "-m", "n")
    amended = git(repository.folder, "rev-parse", "HEAD")
    assert signer_of_commit(repository, amended, people) == ADA


def test_the_user_s_configuration_has_no_say(
    repository: GitRepository, keys: dict[str, Key], tmp_path: Path
) -> None:
    head = git(repository.folder, "rev-parse", "HEAD")
    allowed = tmp_path / "allowed"
    allowed.write_text(f"* {keys['ada'].line}\n")
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\nexit 0\n")
    program.chmod(0o755)
    for key, value in (
        ("gpg.ssh.allowedSignersFile", str(allowed)),
        ("gpg.ssh.program", str(program)),
        ("gpg.ssh.defaultKeyCommand", str(program)),
        ("gpg.program", str(program)),
    ):
        git(repository.folder, "config", key, value)
    fresh = GitRepository(repository.folder)
    assert signer_of_commit(fresh, head, signers(grace=keys["grace"])) is None
    assert signer_of_commit(fresh, head, signers(ada=keys["ada"])) == ADA
    assert not ran.exists()


def test_each_of_a_hundred_signatures_is_verified_once(
    repository: GitRepository, keys: dict[str, Key], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = signers(ada=keys["ada"])
    found = repository.reader.get(git(repository.folder, "rev-parse", "HEAD"))
    assert found is not None
    header = found.data.partition(b"\n\n")[0]
    unsigned = header[: header.index(b"\ngpgsig ")]
    oids = [
        rewritten(
            repository,
            repository.signing.sign_commit(
                unsigned + b"\n\n%d\n" % number, "Ada <ada@example.com>"
            ),
        )
        for number in range(100)
    ]
    started: list[object] = []
    run = subprocess.run

    def counted(*args: Any, **options: Any) -> Any:
        started.append(args)
        return run(*args, **options)

    monkeypatch.setattr(subprocess, "run", counted)
    for _ in range(2):
        assert set(signers_of_commits(repository, oids, people).values()) == {ADA}
        assert len(started) == 100
