"""Commits and tags are signed as the user's Git configuration says, and Git verifies them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.approvals.signatures import signer_of_commit
from gitreg.core.model.keys import Signers
from gitreg.errors import GitError
from gitreg.git.repository import GitRepository
from gitreg.git.signing import Signing, split_signature
from tests.conftest import git, write_model
from tests.support.commands import error
from tests.support.signers import Key, agent, make_key, use_ssh

ADA, GRACE = "ada@example.com", "grace@example.com"


@pytest.fixture
def ada(tmp_path: Path) -> Key:
    return make_key(tmp_path / "keys", "ada")


def trust(folder: Path, key: Key, principal: str = ADA) -> None:
    """Let plain Git verify a key, as its user would."""
    allowed = folder.parent / "allowed-signers"
    with allowed.open("a") as stream:
        stream.write(f"{principal} {key.line}\n")
    git(folder, "config", "gpg.ssh.allowedSignersFile", str(allowed))


def everything(folder: Path) -> tuple[str, str]:
    return git(folder, "for-each-ref"), git(folder, "status", "--porcelain")


def test_nothing_is_signed_unless_configured(stocked: Path, ada: Key) -> None:
    git(stocked, "config", "gpg.format", "ssh")
    git(stocked, "config", "user.signingkey", str(ada.file))
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
    assert "gpgsig" not in git(stocked, "cat-file", "commit", "HEAD")
    for tag in git(stocked, "tag").split():
        assert "SIGNATURE" not in git(stocked, "cat-file", "tag", tag)


def test_what_git_makes_and_what_gitreg_makes_is_signed_alike(stocked: Path, ada: Key) -> None:
    use_ssh(stocked, str(ada.file), commits=True, tags=True)
    trust(stocked, ada)
    with Registry(stocked) as registry:
        registry.register("churn", write_model(stocked, "weights 4"), reason="größer →")
        outcome = registry.promote("churn@4", stage="production", alias="champion", reason="best")
        assert registry.doctor() == [
            finding for finding in registry.doctor() if finding.severity != "error"
        ]
        assert registry.sync_tags(dry_run=True).wrong == ()
    for commit in ("HEAD", "HEAD^"):
        git(stocked, "verify-commit", commit)
    for tag in ("churn@v4.0.0", *outcome.tags):
        git(stocked, "verify-tag", tag)
    git(stocked, "fsck", "--strict", "--no-dangling")
    signed = git(stocked, "log", "-1", "--format=%G? %GS %an")
    assert signed == "G ada@example.com Ada Lovelace"
    repository = GitRepository(stocked)
    head = git(stocked, "rev-parse", "HEAD")
    assert signer_of_commit(repository, head, Signers.of({ADA: [ada.line]})) == ADA
    # The message is what it was, and the operation is found by its id.
    assert "Gitreg-Op: " in git(stocked, "log", "-1", "--format=%B")


def test_clones_with_and_without_signed_tags_agree(shared: Path, ada: Key) -> None:
    work = shared / "work"
    use_ssh(work, str(ada.file), commits=True, tags=True)
    trust(work, ada)
    with Registry(work) as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
    for name in outcome.tags:
        there = git(shared / "origin.git", "rev-parse", f"refs/tags/{name}")
        assert there == git(work, "rev-parse", f"refs/tags/{name}")
        git(work, "verify-tag", name)

    git(shared, "clone", "--quiet", "--no-tags", "origin.git", "plain")
    plain = shared / "plain"
    with Registry(plain) as registry:
        made = registry.sync_tags(push=True)  # the remote's signed ones stay what they are
        assert made.pushed
        assert set(outcome.tags) <= set(made.made)
        assert registry.sync_tags().wrong == ()
    for name in outcome.tags:
        assert git(plain, "cat-file", "tag", name).count("SIGNATURE") == 0
        there = git(shared / "origin.git", "cat-file", "tag", name)
        assert there.count("BEGIN SSH SIGNATURE") == 1
        assert split_signature(there.encode() + b"\n")[0].decode().rstrip("\n") == git(
            plain, "cat-file", "tag", name
        )
    with Registry(plain) as registry:
        assert not [f for f in registry.doctor() if "tag" in f.code]  # nor is the remote wrong
        registry.sync_tags(push=True, force=True)  # nor does force replace what is right
        registry.annotate("churn@3", tags={"by": "plain"}, push=True)
    assert "SIGNATURE" in git(shared / "origin.git", "cat-file", "tag", outcome.tags[0])
    with Registry(work) as registry:
        registry.fetch()
        report = registry.sync_tags(push=True)
    assert (report.made, report.wrong, report.foreign) == ((), (), ())
    git(work, "fetch", "--tags")  # no tag would be clobbered

    git(shared, "clone", "--quiet", "origin.git", "tagged")
    with Registry(shared / "tagged") as registry:
        assert registry.sync_tags().made == ()
        assert not [f for f in registry.doctor() if "tag" in f.code]


def test_a_signed_tag_for_something_else_is_wrong_all_the_same(stocked: Path, ada: Key) -> None:
    use_ssh(stocked, str(ada.file))
    git(stocked, "tag", "-f", "-s", "-m", "mine", "churn@v2.0.0", "HEAD")
    with Registry(stocked) as registry:
        assert registry.sync_tags(dry_run=True).wrong == ("churn@v2.0.0",)


def test_who_reads_or_follows_signs_nothing(shared: Path, ada: Key) -> None:
    git(shared, "clone", "--quiet", "origin.git", "other")
    with Registry(shared / "work") as registry:
        registry.promote("churn@3", stage="production", push=True)
    other = shared / "other"
    use_ssh(other, str(shared / "no-such-key"), commits=True, tags=True)
    with Registry(other) as registry:
        assert registry.fetch().events
        assert registry.show("churn@3").stage == "production"
        assert registry.sync_tags(dry_run=True).made == ()
    assert "SIGNATURE" not in git(other, "cat-file", "tag", "churn#champion#4")


def test_who_applies_again_signs(shared: Path, ada: Key, tmp_path: Path) -> None:
    grace = make_key(tmp_path / "keys", "grace")
    git(shared, "clone", "--quiet", "origin.git", "other")
    other = shared / "other"
    use_ssh(shared / "work", str(ada.file), commits=True)
    use_ssh(other, str(grace.file), commits=True, tags=True)
    with Registry(other) as registry:
        registry.annotate("churn@1", description="old")
        registry.set_alias("churn@1", "old")
    with Registry(shared / "work") as registry:
        registry.annotate("churn@3", description="new", push=True)
    with Registry(other) as registry:
        report = registry.push()
        assert len(report.sent) == 2
        assert registry.sync_tags().wrong == ()
    people = Signers.of({ADA: [ada.line], GRACE: [grace.line]})
    repository = GitRepository(other)
    found = [
        signer_of_commit(repository, git(other, "rev-parse", name), people)
        for name in ("HEAD", "HEAD^", "HEAD^^")
    ]
    assert found == [GRACE, GRACE, ADA]
    tag = git(other, "rev-parse", "refs/tags/churn#old#5")
    assert "SIGNATURE" in git(other, "cat-file", "tag", tag)
    assert git(shared / "origin.git", "rev-parse", "refs/tags/churn#old#5") == tag


@pytest.mark.parametrize("options", [("-t", "ecdsa"), ("-t", "rsa", "-b", "2048")])
def test_keys_of_other_types(stocked: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    key = make_key(tmp_path / "keys", "key", *options)
    use_ssh(stocked, str(key.private), commits=True)
    trust(stocked, key)
    with Registry(stocked) as registry:
        registry.annotate("churn", owner="ada")
    git(stocked, "verify-commit", "HEAD")


@pytest.mark.parametrize("spelled", ["public file", "key::", "literal", "command"])
def test_a_key_in_an_agent(
    stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelled: str
) -> None:
    key = make_key(tmp_path / "keys", "ada")
    with agent(monkeypatch, tmp_path, key):
        key.private.unlink()
        setting = {"key::": f"key::{key.line}", "literal": key.line}.get(spelled, str(key.file))
        use_ssh(stocked, setting, commits=True, tags=True)
        trust(stocked, key)
        if spelled == "command":
            git(stocked, "config", "--unset", "user.signingkey")
            git(stocked, "config", "gpg.ssh.defaultKeyCommand", f"echo 'key::{key.line}'")
        with Registry(stocked) as registry:
            outcome = registry.promote("churn@3", stage="production")
        git(stocked, "verify-commit", "HEAD")
        git(stocked, "verify-tag", outcome.tags[0])
        assert Signing(stocked).public_key() is not None
    before = everything(stocked)
    message = error("annotate", "churn", "--owner", "ada", "--repo", str(stocked), code=3)
    assert "cannot sign" in message
    assert everything(stocked) == before


def test_what_cannot_be_signed_is_not_done(
    stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = make_key(tmp_path / "keys", "locked", passphrase="secret words")
    before = everything(stocked)
    monkeypatch.setenv("SSH_ASKPASS", "/bin/false")
    for settings, words in (
        ({"user.signingkey": "~/no-such-key"}, "No such file"),
        ({"user.signingkey": str(locked.file)}, "passphrase"),
        ({"user.signingkey": None}, "no SSH key"),
        ({"gpg.ssh.program": "no-such-program"}, "cannot run no-such-program"),
        ({"gpg.ssh.program": "/bin/false"}, "false: no message"),
        ({"gpg.ssh.program": "/bin/true"}, "true: no message"),
        ({"user.signingkey": None, "gpg.ssh.defaultKeyCommand": "echo nothing"}, "printed no key"),
        ({"gpg.format": "pigeon"}, "gpg.format is 'pigeon'"),
        ({"commit.gpgsign": "perhaps"}, "neither true nor false"),
    ):
        use_ssh(stocked, str(locked.file), commits=True)
        for key, value in settings.items():
            if value is None:
                git(stocked, "config", "--unset", key)
            else:
                git(stocked, "config", key, value)
        done = subprocess.run(
            [sys.executable, "-m", "gitreg", "annotate", "churn", "--owner", "x"],
            start_new_session=True,  # without a terminal
            cwd=stocked,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert (done.returncode, done.stdout) == (3, ""), done.stderr
        assert words in done.stderr
        assert "nothing was written" in done.stderr
        assert everything(stocked) == before
        for key in settings:
            git(stocked, "config", "--unset-all", key, check=False)


def test_tags_that_cannot_be_signed_hold_their_commit_back(stocked: Path, tmp_path: Path) -> None:
    use_ssh(stocked, str(tmp_path / "nope"), tags=True)
    before = everything(stocked)
    with Registry(stocked) as registry:
        with pytest.raises(GitError, match="cannot sign"):
            registry.promote("churn@3", stage="production")
        assert everything(stocked) == before
        registry.annotate("churn", owner="ada")  # no tag comes with it


def test_a_registry_starts_signed(tmp_path: Path, ada: Key) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "fresh")
    use_ssh(tmp_path / "fresh", str(ada.file), commits=True)
    trust(tmp_path / "fresh", ada)
    Registry.init(tmp_path / "fresh")
    git(tmp_path / "fresh", "verify-commit", "HEAD")


def test_gto_reads_signed_tags(stocked: Path, ada: Key) -> None:
    from gto.api import show

    use_ssh(stocked, str(ada.file), commits=True, tags=True)
    with Registry(stocked) as registry:
        registry.register("churn", write_model(stocked, "weights 4"))
        registry.promote("churn@4", stage="production")
    found = show(str(stocked), "churn#production")
    assert [entry["version"] for entry in found] == ["v4.0.0"]


# OpenPGP


@pytest.fixture
def gpg_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A throwaway home of GnuPG with a key of ada's without passphrase."""
    if shutil.which("gpg") is None:
        pytest.skip("GnuPG is not installed")
    # The agent's socket lies in it, and the path of one may have some 100 bytes.
    home = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    monkeypatch.setenv("GNUPGHOME", str(home))
    home.chmod(0o700)
    subprocess.run(
        [
            "gpg",
            "--batch",
            "--quiet",
            "--passphrase",
            "",
            "--quick-gen-key",
            "Ada Lovelace <ada@example.com>",
            "ed25519",
            "sign",
            "0",
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    yield home
    subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True, timeout=60)
    shutil.rmtree(home, ignore_errors=True)


@pytest.mark.parametrize("named", [True, False])
def test_gpg(stocked: Path, gpg_home: Path, named: bool) -> None:
    """By a key that is named, or by the committer's own."""
    for key in ("commit.gpgsign", "tag.gpgsign"):
        git(stocked, "config", key, "true")
    if named:
        git(stocked, "config", "user.signingkey", ADA)
        git(stocked, "config", "gpg.program", str(shutil.which("gpg")))
    with Registry(stocked) as registry:
        outcome = registry.promote("churn@3", stage="production")
        assert registry.sync_tags().wrong == ()
    git(stocked, "verify-commit", "HEAD")
    git(stocked, "verify-tag", outcome.tags[0])
    git(stocked, "fsck", "--strict", "--no-dangling")
    head = git(stocked, "rev-parse", "HEAD")
    # A policy lists SSH keys: for it, this commit is signed by nobody.
    assert signer_of_commit(GitRepository(stocked), head, Signers.of({})) is None


def test_gpg_without_the_key(stocked: Path, gpg_home: Path) -> None:
    git(stocked, "config", "commit.gpgsign", "true")
    git(stocked, "config", "user.signingkey", "nobody@example.com")
    before = everything(stocked)
    with Registry(stocked) as registry, pytest.raises(GitError, match="No secret key"):
        registry.annotate("churn", owner="ada")
    assert everything(stocked) == before


_CERTIFICATE = """\
Key-Type: RSA
Key-Length: 2048
Key-Usage: sign
Serial: random
Name-DN: CN=Ada Lovelace
Name-Email: ada@example.com
Hash-Algo: sha256
"""


def test_x509(stocked: Path, gpg_home: Path) -> None:
    if shutil.which("gpgsm") is None:
        pytest.skip("gpgsm is not installed")

    def gpgsm(*args: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["gpgsm", "--batch", "--pinentry-mode", "loopback", "--passphrase-fd", "0", *args],
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout

    (gpg_home / "gpg-agent.conf").write_text("allow-loopback-pinentry\n")
    subprocess.run(["gpgconf", "--kill", "all"], check=True, capture_output=True, timeout=60)
    (gpg_home / "params").write_text(_CERTIFICATE)
    gpgsm("--generate-key", "--output", str(gpg_home / "ada.pem"), str(gpg_home / "params"))
    gpgsm("--import", str(gpg_home / "ada.pem"))
    lines = gpgsm("--with-colons", "--list-keys").splitlines()
    fingerprint = next(line.split(":")[9] for line in lines if line.startswith("fpr:"))
    (gpg_home / "trustlist.txt").write_text(f"{fingerprint} S relax\n")
    (gpg_home / "gpgsm.conf").write_text("disable-crl-checks\n")
    for key, value in (
        ("gpg.format", "x509"),
        ("user.signingkey", ADA),
        ("commit.gpgsign", "true"),
        ("tag.gpgsign", "true"),
    ):
        git(stocked, "config", key, value)
    with Registry(stocked) as registry:
        outcome = registry.promote("churn@3", stage="production")
    git(stocked, "verify-commit", "HEAD")
    git(stocked, "verify-tag", outcome.tags[0])
