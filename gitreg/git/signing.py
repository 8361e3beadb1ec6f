"""Signs commits and tags as Git does: by the user's configuration, with the configured program.

The settings are Git's own: ``commit.gpgsign``, ``tag.gpgsign``, ``gpg.format`` (``openpgp``,
``ssh``, ``x509``), ``user.signingkey`` and the programs. A configured program or command runs only
to sign, when `git commit -S` would run it. This includes ``gpg.ssh.defaultKeyCommand``, which Git
runs when ``user.signingkey`` is not set.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cached_property
from pathlib import Path

from gitreg.core.model.keys import PublicKey, parse_key
from gitreg.errors import GitError, InvalidRequest, NotFound
from gitreg.git import process, scratch

_WANTED = (
    r"^((commit|tag)\.gpgsign|tag\.forcesignannotated|user\.signingkey"
    r"|gpg\.(format|program|ssh\.defaultkeycommand|(openpgp|ssh|x509)\.program))$"
)
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")
_PROGRAMS = {"openpgp": "gpg", "x509": "gpgsm", "ssh": "ssh-keygen"}
_BEGIN = re.compile(
    rb"^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE|SSH SIGNATURE)-----$", re.MULTILINE
)
_LOCKED = ("passphrase", "agent refused", "No private key", "invalid format", "error in libcrypto")


def split_signature(content: bytes) -> tuple[bytes, bytes]:
    """Return a tag object's content and the signature that follows it; empty when unsigned."""
    begins = [match.start() for match in _BEGIN.finditer(content)]
    end = begins[-1] if begins else len(content)
    return content[:end], content[end:]


class Signing:
    """Signs with the key and the program that a repository's configuration names.

    Args:
        folder: the folder in which Git runs; a key's relative path starts there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _settings(self) -> dict[str, str]:
        listing = process.run(self._folder, "config", "-z", "--get-regexp", _WANTED, check=False)
        text = listing.stdout.decode("utf-8", "surrogateescape")
        entries = (entry.partition("\n") for entry in text.split("\0") if entry)
        # A key without '=' means true.
        return {key: value if equals else "true" for key, equals, value in entries}

    def _is_set(self, key: str) -> bool:
        value = self._settings.get(key, "false").lower()
        if value in _TRUE or (value.isdigit() and int(value)):
            return True
        if value in _FALSE or value.isdigit():
            return False
        raise GitError(
            f"Git's setting {key} is {value[:40]!a}, neither true nor false",
            hint=f"git config --show-origin --get-all {key}",
        )

    @property
    def signs_commits(self) -> bool:
        """Whether the user signs commits.

        Raises:
            GitError: the setting is malformed.
        """
        return self._is_set("commit.gpgsign")

    @property
    def signs_tags(self) -> bool:
        """Whether the user signs annotated tags.

        Raises:
            GitError: the setting is malformed.
        """
        return self._is_set("tag.gpgsign") or self._is_set("tag.forcesignannotated")

    @property
    def _format(self) -> str:
        found = self._settings.get("gpg.format", "openpgp")
        if found not in _PROGRAMS:
            raise GitError(
                f"Git's setting gpg.format is {found[:40]!a}, not openpgp, ssh or x509",
                hint="git config --show-origin --get-all gpg.format",
            )
        return found

    def _program(self, kind: str) -> str:
        own = self._settings.get(f"gpg.{kind}.program")
        if kind == "openpgp":
            own = own or self._settings.get("gpg.program")
        return (
            str(Path(own).expanduser()) if own and own.startswith("~") else own or _PROGRAMS[kind]
        )

    # Commits and tags

    def sign_commit(self, content: bytes, committer: str) -> bytes:
        """Return a commit object's content with a signature in its header.

        Args:
            content: the unsigned commit.
            committer: ``Name <email>``; selects the key when none is configured.

        Raises:
            GitError: the commit cannot be signed; the message includes the program's own.
        """
        signature = self._sign(content, committer)
        header, separator, message = content.partition(b"\n\n")
        folded = signature.rstrip(b"\n").replace(b"\n", b"\n ")
        return header + b"\ngpgsig " + folded + separator + message

    def sign_tag(self, content: bytes, tagger: str) -> bytes:
        """Return a tag object's content followed by a signature; see `sign_commit`."""
        return content + self._sign(content, tagger)

    def _sign(self, content: bytes, signer: str) -> bytes:
        if self._format == "ssh":
            return self.sign_text(content, "git")
        program = self._program(self._format)
        key = self._settings.get("user.signingkey") or signer
        done = self._run(program, ["--status-fd=2", "-bsau", key], content)
        output = done.stderr.decode("utf-8", "replace")
        if done.returncode != 0 or "\n[GNUPG:] SIG_CREATED " not in f"\n{output}":
            raise _failure(program, output)
        return done.stdout.replace(b"\r\n", b"\n")

    # SSH

    def sign_text(self, text: bytes, namespace: str, key: str | None = None) -> bytes:
        """Return an armored SSH signature of a text.

        Args:
            text: the text to sign.
            namespace: the purpose; a signature for one purpose is not valid for another.
            key: overrides ``user.signingkey``: a file, or a public key whose private half an agent
                holds.

        Raises:
            GitError: no key is configured, or the key cannot be used (no agent, or a passphrase and
                no terminal).
        """
        program = self._program("ssh")
        with scratch.temporary("sign") as place:
            literal = _literal(self._chosen(key))
            if literal is None:
                file = self._file(self._chosen(key))
            else:
                file = place / "key"
                file.write_text(literal + "\n", "utf-8")
            buffer = place / "text"
            buffer.write_bytes(text)
            # In a file, as Git does it: replacements for ssh-keygen support nothing else.
            args = ["-Y", "sign", "-n", namespace, "-f", str(file), str(buffer)]
            done = self._run(program, args, None)
            written = buffer.with_name("text.sig")
            if done.returncode != 0 or not written.exists():
                raise _failure(program, done.stderr.decode("utf-8", "replace"))
            return written.read_bytes().replace(b"\r\n", b"\n")

    def public_key(self, key: str | None = None) -> PublicKey | None:
        """Return the public half of the key that `sign_text` uses; ``None`` if no file has it.

        Raises:
            GitError: no SSH key is configured.
        """
        literal = _literal(self._chosen(key))
        if literal is not None:
            return _parse(literal)
        file = self._file(self._chosen(key))
        for candidate in _halves(file):
            try:
                found = _parse(candidate.read_bytes()[:65536].decode("utf-8", "replace"))
            except OSError:
                continue
            if found is not None:
                return found
        return None

    def _chosen(self, given: str | None) -> str:
        """Return the given key, or else the configured key.

        A given path is relative to the current folder, a configured path to the repository's root.
        """
        if given is None:
            return self._ssh_key
        if _literal(given):
            return given
        file = Path(given).expanduser().absolute()
        if not any(half.is_file() for half in _halves(file)):
            raise NotFound(
                f"no key {given!a}", hint="give a file, or key:: followed by a public key"
            )
        return str(file)

    @cached_property
    def _ssh_key(self) -> str:
        configured = self._settings.get("user.signingkey")
        if configured and (self._format == "ssh" or _literal(configured)):
            return configured
        command = self._settings.get("gpg.ssh.defaultkeycommand")
        if command and self._format == "ssh":
            done = self._run(shlex.split(command)[0], shlex.split(command)[1:], None)
            first = done.stdout.decode("utf-8", "replace").partition("\n")[0].strip()
            if done.returncode == 0 and _literal(first):
                return first
            raise GitError(
                "gpg.ssh.defaultKeyCommand printed no key",
                hint="make it print key::ssh-… on its first line",
            )
        hint = "git config gpg.format ssh && git config user.signingkey ~/.ssh/id_ed25519.pub"
        raise GitError("no SSH key for signing is configured", hint=hint)

    def _file(self, key: str) -> Path:
        return self._folder.absolute() / Path(key).expanduser()

    def _run(
        self, program: str, args: list[str], stdin: bytes | None
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                [program, *args],
                cwd=self._folder,
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                check=False,
                # No new session: the program needs the terminal to prompt for a passphrase.
                env=process.environment(),
            )
        except OSError as error:
            raise GitError(
                f"cannot sign: cannot run {program}: {error.strerror}",
                hint="git config --show-origin --get-regexp '^gpg|sign'",
            ) from None


def _halves(file: Path) -> tuple[Path, Path]:
    """Return the possible files of a key's two halves; a setting can name either half."""
    return file, file.parent / f"{file.name}.pub"


def _literal(key: str) -> str | None:
    """Return the public key that a setting contains; ``None`` when it names a file."""
    if key.startswith("key::"):
        return key.removeprefix("key::")
    return key if key.startswith("ssh-") else None


def _parse(text: str) -> PublicKey | None:
    try:
        return parse_key(text)
    except InvalidRequest:
        return None


def _failure(program: str, output: str) -> GitError:
    """Return the error for a failed signature, with the program's reason."""
    lines = [line.strip() for line in output.splitlines() if not line.startswith("[GNUPG:]")]
    reasons = [line for line in lines if line and not line.startswith("Signing file ")]
    cause = reasons[-1] if reasons else "no message"
    name = Path(program).name
    hint = None
    if any(word in output for word in _LOCKED):
        hint = "without a terminal, an agent must hold the key; unlock it: ssh-add FILE"
    return GitError(f"cannot sign: {name}: {cause.removeprefix(f'{name}: ')}", hint=hint)
