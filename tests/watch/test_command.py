"""`gitreg watch` as people run it: commands, their environment, exit codes, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitreg import Registry
from tests.conftest import git
from tests.support.commands import error, gitreg

PROD = "churn/production"
WATCH = [sys.executable, "-m", "gitreg", "watch", PROD]
SHOW = (
    "import json, os, sys; print(json.dumps("
    "{k: v for k, v in os.environ.items() if k.startswith('GITREG_')}), "
    "file=open(sys.argv[1], 'a'))"
)


def lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_command_gets_the_move_in_its_environment(stocked: Path, tmp_path: Path) -> None:
    out, state = tmp_path / "out", tmp_path / "state.json"
    command = [sys.executable, "-c", SHOW, str(out)]
    watch = ["watch", PROD, "--repo", str(stocked), "--once", "--state", str(state)]
    gitreg(*watch, "--pull", str(tmp_path / "served"), "--", *command)
    hostile = "$(touch hacked) `id`; \"quoted\" 'x'\n\n-rf / \x1b[31m"
    pointer = stocked / "registry" / "churn" / "stages" / "production.yaml"
    pointer.write_text(pointer.read_text().replace("2", "3"))
    archive = pointer.with_name("archived.yaml")
    archive.write_text(f"{archive.read_text().rstrip()}\n- 2\n")
    (tmp_path / "message").write_text(f"by hand\n\n{hostile}\n\n{'x' * 200_000}")
    git(stocked, "commit", "--quiet", "-a", "-F", str(tmp_path / "message"))
    gitreg(*watch, "--pull", str(tmp_path / "served"), "--", *command)
    first, second = lines(out)
    with Registry(stocked) as registry:
        assert second.pop("GITREG_SHA256") == registry.sha256("churn@3")
        assert len(second.pop("GITREG_EVENT")) == 32
        reason = second.pop("GITREG_REASON")
        assert reason.startswith(hostile[:30])
        assert len(reason) == 32_768
        assert second == {
            "GITREG_MODEL": "churn",
            "GITREG_VERSION": "3",
            "GITREG_PREVIOUS": "2",
            "GITREG_COMMIT": registry.commit,
            "GITREG_AUTHOR": "Ada Lovelace <ada@example.com>",
            "GITREG_ACTION": "promote",
            "GITREG_REFERENCE": PROD,
            "GITREG_PATH": str(tmp_path / "served" / "model"),
        }
    assert (first["GITREG_VERSION"], first["GITREG_PREVIOUS"]) == ("2", "")
    assert not (stocked / "hacked").exists()


def test_exit_codes_and_errors(stocked: Path, tmp_path: Path) -> None:
    repo = ["--repo", str(stocked), "--once", "--state", str(tmp_path / "s.json")]
    said = gitreg("watch", PROD, *repo, "--tries", "1", "--", "false", code=1).err
    assert "false ended with status 1" in said
    assert said.endswith("run it again when that is repaired: it goes on with this move\n")
    assert gitreg("watch", PROD, *repo, "--", "true").err == ""
    assert "nothing to do with a move" in error("watch", PROD, *repo)
    assert "not a command that can be run" in error("watch", PROD, *repo, "--", "./nope")
    for option in ("--poll", "--timeout"):
        for seconds in ("nan", "inf", "1e300", "-1"):
            assert option in error("watch", PROD, *repo, option, seconds, "--", "true")
    assert "is a model" in error("watch", "churn", *repo, "--", "true")
    assert "never changes" in error("watch", "churn@2", *repo, "--", "true")
    assert "--namespace belongs to --kubernetes" in error("watch", PROD, *repo, "-n", "x")
    assert "did you mean" in error("watch", "chrun@champion", *repo, "--", "true")
    lost = ["--repo", "file:///nonexistent/r.git", "--once", "--", "true"]
    assert "nonexistent" in error("watch", PROD, *lost, code=3)


def test_the_state_is_beside_the_clone_or_the_copy_of_a_url(
    stocked: Path, tmp_path: Path, hermetic: Path
) -> None:
    out = tmp_path / "out"
    command = ["--once", "--", sys.executable, "-c", SHOW, str(out)]
    url = f"file://{stocked.parent}/origin.git"
    for repo in (str(stocked), url):
        for _ in range(2):
            gitreg("watch", PROD, "--repo", repo, *command)
    assert len(lines(out)) == 2
    assert len(list((stocked / ".git" / "gitreg" / "watch").glob("*.json"))) == 1
    assert len(list((hermetic / "cache" / "gitreg").glob("*/watch/*.json"))) == 1
    # Another command has had nothing yet.
    gitreg("watch", PROD, "--repo", url, "--once", "--", *command[2:], "more")
    assert len(lines(out)) == 3
    assert git(stocked, "status", "--porcelain") == ""


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while not path.exists() or not path.read_text().endswith("\n"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return path.read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_command_too(
    stocked: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    started = tmp_path / "started"
    script = 'sleep 300 & echo "$! $$" > "$0"; wait'
    place = ["--repo", str(stocked), "--state", str(tmp_path / "state.json")]
    process = subprocess.Popen(
        [*WATCH, *place, "--", "sh", "-c", script, str(started)],
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    pids = [int(word) for word in _wait_for(started, process).split()]
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            _living(pid)
    # It was under way, and comes again.
    out = tmp_path / "out"
    gitreg("watch", PROD, *place, "--once", "--", sys.executable, "-c", SHOW, str(out))
    assert [one["GITREG_VERSION"] for one in lines(out)] == ["2"]


def _living(pid: int) -> None:
    """Raise if a process is gone, or only waits to be buried."""
    os.kill(pid, 0)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            raise ProcessLookupError from None
        if state == "Z":
            raise ProcessLookupError
        time.sleep(0.02)


def test_it_follows_until_it_is_ended(stocked: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    url = f"file://{stocked.parent}/origin.git"
    process = subprocess.Popen(
        [*WATCH, "--repo", url, "--poll", "0.1", "--", sys.executable, "-c", SHOW, str(out)],
        stderr=subprocess.PIPE,
    )
    try:
        for count, version in enumerate((2, 3, 1, 3), start=1):
            if count > 1:
                with Registry(stocked) as registry:
                    registry.promote(f"churn@{version}", stage="production", push=True)
            deadline = time.monotonic() + 60
            while not out.exists() or len(out.read_text().splitlines()) < count:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert [one["GITREG_VERSION"] for one in lines(out)] == ["2", "3", "1", "3"]
