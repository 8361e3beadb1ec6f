"""What only a process of its own shows: start-up, signals, pipes, encodings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitreg import Registry, __version__
from gitreg.cli import COMMANDS
from tests.conftest import git, write_model
from tests.support.commands import everything

GITREG = [sys.executable, "-m", "gitreg"]


def run(folder: Path, *args: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*GITREG, *args],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_it_is_a_module(templates: Path) -> None:
    assert run(templates, "--version").stdout.decode() == f"gitreg {__version__}\n"
    failed = run(templates / "work", "resolve", "nope@1")
    assert (failed.returncode, failed.stdout) == (2, b"")
    assert failed.stderr.startswith(b"gitreg: no model 'nope'\n")


HEAVY = {
    "git",
    "gitdb",
    "dvc",
    "ruamel.yaml",
    "sqlite3",
    "rich",
    "mlflow",
    "scmrepo",
    "json",
    "yaml",
}


CLI_MODULES = {f"gitreg.cli.{module}" for module in COMMANDS}


@pytest.mark.parametrize(
    ("line", "needs"),
    [
        ("resolve churn@champion", {"gitreg.cli.reading"}),
        ("resolve churn/production --rev HEAD", {"gitreg.cli.reading"}),
        ("--version", CLI_MODULES),
        ("list", {"rich", "json", "gitreg.cli.reading"}),
        ("alias set churn@2 champion", {"sqlite3", "json", "ruamel.yaml", "gitreg.cli.writing"}),
    ],
)
def test_a_command_imports_what_it_needs(templates: Path, line: str, needs: set[str]) -> None:
    script = (
        "import sys\n"
        "sys.argv = ['gitreg', *sys.argv[1:]]\n"
        "from gitreg.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print(*sorted(sys.modules), sep='\\n', file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *line.split()],
        cwd=templates / "work",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout
    assert (HEAVY | CLI_MODULES) & set(done.stderr.splitlines()) <= needs


def test_ctrl_c_leaves_nothing_half_done(folder: Path) -> None:
    """While the bytes of a large file are on their way into the cache."""
    with Registry(folder) as registry:
        registry.register("small", write_model(folder))
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "all")
    big = folder.parent / "big.bin"
    with big.open("wb") as stream:
        stream.truncate(2 << 30)  # takes no room itself, and seconds to hash
    before = everything(folder)
    process = subprocess.Popen(
        [*GITREG, "register", "big", str(big)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts the tests in the background has told them to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 30
    while not any(
        path.stat().st_size for path in (folder / "registry" / ".dvc" / "cache").rglob("*.tmp")
    ):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert err == "gitreg: interrupted: nothing is half done, run it again\n"
    assert everything(folder) == before
    big.write_bytes(b"smaller")
    assert run(folder, "register", "big", str(big)).returncode == 0


@pytest.fixture(autouse=True)
def _fresh(templates: Path) -> None:
    """No answer is called old, however long ago the templates were made."""
    (templates / "work" / ".git" / "gitreg" / "fetched").touch()


def test_a_reader_that_stops_reading(templates: Path) -> None:
    process = subprocess.Popen(
        [*GITREG, "list"],
        cwd=templates / "work",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(timeout=30) == 141


def test_no_standard_output_at_all(templates: Path) -> None:
    command = f"'{sys.executable}' -m gitreg"
    for line in (f"{command} list >&-", f"{command} list --json >&-", f"{command} nope 2>&-"):
        done = subprocess.run(
            ["sh", "-c", line], cwd=templates / "work", capture_output=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (2 if "nope" in line else 0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that Linux has")
def test_no_room_for_the_output(templates: Path) -> None:
    command = f"'{sys.executable}' -m gitreg"
    full = subprocess.run(
        ["sh", "-c", f"{command} list >/dev/full"],
        cwd=templates / "work",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert full.returncode == 3
    assert full.stderr.splitlines() == ["gitreg: No space left on device"]


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "cp1252:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=lambda variables: next(iter(variables.values())),
)
def test_text_that_the_output_cannot_show(stocked: Path, variables: dict[str, str]) -> None:
    description = "naïve → 模型"
    with Registry(stocked) as registry:
        registry.annotate("churn", description=description)
    for line in ("list", "list --json", "show churn@1", "log", "annotate nope --owner x"):
        done = run(stocked, *line.split(), **variables)
        assert b"Traceback" not in done.stderr
        assert done.returncode == (2 if "nope" in line else 0)
    answered = json.loads(run(stocked, "list", "--json", **variables).stdout)
    assert answered[0]["description"] == description


def test_a_terminal_gets_the_width_that_it_has(stocked: Path) -> None:
    """In a pipe lines are whole; `COLUMNS` says otherwise."""
    with Registry(stocked) as registry:
        registry.annotate("churn", description="word " * 100)
    wide = run(stocked, "list").stdout.decode().splitlines()
    narrow = run(stocked, "list", COLUMNS="60").stdout.decode().splitlines()
    assert len(wide) == 3
    assert max(map(len, narrow)) <= 60 < max(map(len, wide))
