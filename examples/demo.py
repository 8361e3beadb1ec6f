"""From a trained model to production and back: all of gitreg in one demo.

    python examples/demo.py [--keep]

The demo runs in a temporary folder with real tools: Git, DVC, and a scikit-learn model that the
pipeline in `examples/churn` trains. Two people use two clones as their machines: Ada trains in
`training`, Grace serves in `serving`. One folder stands in for the Git host and another one for
the bucket. With real URLs in their place, a team uses the same commands.

Every command is printed as a user would type it (`$DEMO` is the temporary folder). The first
command with an unexpected result ends the demo: it names the failed step and exits with 1.
"""

import argparse
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parent / "churn"
SERVICE = EXAMPLE.parent / "serving" / "app.py"
# Files from a run of the pipeline in the checkout; the demo creates its own.
LEFTOVERS = shutil.ignore_patterns("__pycache__", "data", "models", "metrics.json", "dvc.lock")
INDENT = "    "
PATIENCE = 60
"""How many seconds the service may take for what it usually does in two."""


class StepError(Exception):
    """A command had an unexpected result; the message names the command and the result."""


class Machine:
    """A person and their folder, with an environment without any configuration of the host."""

    def __init__(self, demo: Path, folder: str, person: str) -> None:
        self.folder = demo / folder
        address = f"{person.partition(' ')[0].lower()}@example.com"
        self.environment = hermetic(demo) | {
            "GIT_AUTHOR_NAME": person,
            "GIT_AUTHOR_EMAIL": address,
            "GIT_COMMITTER_NAME": person,
            "GIT_COMMITTER_EMAIL": address,
        }

    def run(self, command: str, *, exits: int = 0, says: str = "") -> None:
        """Run a command and print it with its output.

        Raises:
            StepError: the exit code is not ``exits``, or the output does not contain ``says``.
        """
        print(f"{INDENT}{bold(f'{self.folder.name} $ {command}')}", flush=True)
        words = [word.replace("$DEMO", self.environment["DEMO"]) for word in shlex.split(command)]
        done = subprocess.run(  # only runs the commands of `run_story`, below
            words,
            check=False,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        print(textwrap.indent(done.stdout, INDENT), flush=True)
        if done.returncode != exits:
            raise StepError(f"`{command}` exited with {done.returncode}, not {exits}")
        if says not in done.stdout:
            raise StepError(f"the output of `{command}` does not contain {says!r}")


class Service:
    """The service of `examples/serving` on a machine: a process, until the demo ends."""

    def __init__(self, machine: Machine) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self._url = f"http://127.0.0.1:{self._port}"
        self._log = machine.folder / "service.log"
        self._machine = machine
        self._process: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        """End the process, if it was started."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def start(self) -> None:
        """Start it, with a look at the registry each second."""
        command = f"uvicorn app:app --port {self._port} --no-access-log"
        variables = f"GITREG_REPOSITORY=file://{self._machine.environment['DEMO']}/host.git POLL=1"
        shown = variables.replace(self._machine.environment["DEMO"], "$DEMO")
        print(f"{INDENT}{bold(f'{self._machine.folder.name} $ {shown} {command} &')}", flush=True)
        given = dict(pair.split("=", 1) for pair in variables.split())
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command.split(),
                cwd=self._machine.folder,
                env=self._machine.environment | given,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def becomes(self, words: str, is_so: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until `/version` says something, and print what it says.

        Raises:
            StepError: it does not say so in time, or the process has ended.
        """
        begun = time.monotonic()
        while True:
            said = self._asked("/version")
            if said is not None and is_so(said):
                break
            if self._process is None or self._process.poll() is not None:
                raise StepError(f"the service has ended: {self.log()}")
            if time.monotonic() - begun > PATIENCE:
                raise StepError(f"the service does not say {words}, but {said}: {self.log()}")
            time.sleep(0.1)
        shown = {name: said[name] for name in ("model", "version", "failed")}
        took = time.monotonic() - begun
        print(f"{INDENT}{bold('curl localhost/version')}\n{INDENT}{json.dumps(shown)}")
        print(f"{INDENT}{words}, after {took:.1f} s\n", flush=True)

    def predicts(self, row: dict[str, float], *, version: int) -> None:
        """Ask for a prediction and print the answer.

        Raises:
            StepError: another version answers, or none.
        """
        answer = self._asked("/predict", {"rows": [row]})
        print(f"{INDENT}{bold('curl localhost/predict')}\n{INDENT}{json.dumps(answer)}\n")
        if answer is None or answer["version"] != f"churn-predictor@{version}":
            raise StepError(f"version {version} does not answer, but {answer}")

    def log(self) -> str:
        """Return what it has printed so far."""
        return self._log.read_text(errors="replace")

    def _asked(self, path: str, question: object = None) -> dict[str, Any] | None:
        body = None if question is None else json.dumps(question).encode()
        request = urllib.request.Request(
            self._url + path, body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                said: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:
            raise StepError(f"{path} answers {error.code}: {error.read()[:200]!r}") from None
        except OSError:
            return None  # it does not listen yet
        return said


class Story:
    """Counts the steps, so that a failure can name its step."""

    def __init__(self) -> None:
        self.number = 0
        self.title = "preparing"

    def step(self, title: str, text: str) -> None:
        """Begin a step: print its title and its explanation."""
        self.number += 1
        self.title = title
        print(bold(f"{self.number}. {title}"))
        print(textwrap.fill(" ".join(text.split()), width=88), end="\n\n", flush=True)


def hermetic(demo: Path) -> dict[str, str]:
    """Return an environment that isolates the demo from the host's Git, DVC and caches."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "DVC_", "GITREG_", "XDG_"))
    }
    home = demo / "home"
    return kept | {
        "DEMO": str(demo),
        # gitreg, dvc and python come from the environment that runs the demo.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "DVC_SITE_CACHE_DIR": str(home / ".cache/dvc-site"),
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
        "NO_COLOR": "1",
        "COLUMNS": "110",
    }


@contextmanager
def workplace(*, keep: bool) -> Iterator[Path]:
    """Yield a temporary folder with an empty home, a Git host and the two machines' folders."""
    demo = Path(tempfile.mkdtemp(prefix="gitreg-demo-")).resolve()
    try:
        settings = demo / "home/.config/dvc/config"
        settings.parent.mkdir(parents=True)
        # DVC would check its web site for a newer DVC in the background.
        settings.write_text("[core]\n    analytics = false\n    check_update = false\n")
        shutil.copytree(EXAMPLE, demo / "training", ignore=LEFTOVERS)
        (demo / "serving").mkdir()
        (demo / "service").mkdir()
        shutil.copy(SERVICE, demo / "service")
        (demo / "anywhere").mkdir()
        yield demo
    finally:
        if keep:
            print(f"kept: {demo}")
        else:
            shutil.rmtree(demo)


def bold(text: str) -> str:
    """Return the text in bold if the output is a terminal."""
    is_visible = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\033[1m{text}\033[0m" if is_visible else text


def run_story(story: Story, demo: Path) -> None:
    """Run the story step by step; raise `StepError` at the first unexpected result."""
    ada = Machine(demo, "training", "Ada Lovelace")
    grace = Machine(demo, "serving", "Grace Hopper")
    alan = Machine(demo, "anywhere", "Alan Turing")
    host = Machine(demo, "service", "Grace Hopper")

    story.step(
        "A repository becomes a registry",
        """Ada has a DVC pipeline that trains a churn model. `gitreg init` adds the registry: a
        folder of YAML files, without any server. The bytes of models will go to a DVC remote,
        everything else to the Git host.""",
    )
    ada.run("git init -q -b main")
    ada.run("dvc init -q")
    ada.run("gitreg init")
    ada.run("dvc remote add --default storage $DEMO/bucket")
    ada.run("git init -q --bare -b main $DEMO/host.git")
    ada.run("git remote add origin $DEMO/host.git")

    story.step(
        "Train a first model",
        """It uses a third of the measurements and strong regularisation. The pipeline writes the
        model, `models/churn`, and its metrics. `dvc.lock` records which inputs gave which
        outputs.""",
    )
    ada.run("dvc repro")
    ada.run("git add .")
    ada.run("git commit -q -m 'Train on the averages'")

    story.step(
        "Register it",
        """gitreg reads the metrics, the parameters, the data, the command and the commit behind
        the model from `dvc.lock` and Git. Ada adds only what they cannot know. The bytes are in
        the bucket before anybody can see version 1.""",
    )
    ada.run(
        "gitreg register churn-predictor models/churn --tag training_dataset=v2023-Q4 "
        "--tag feature_set=v1 --push -m 'first model'"
    )
    ada.run(
        "gitreg promote churn-predictor@1 --to production --alias champion --push "
        "-m 'something to start from'"
    )
    ada.run("gitreg show churn-predictor@champion")

    story.step(
        "Train a better one",
        """This time it uses all measurements and weaker regularisation. `--data` names the data
        by hand, for models without a pipeline.""",
    )
    ada.run(
        "sed -i -e 's/features: .mean./features: [mean, error, worst]/' -e 's/C: 0.01/C: 0.1/' "
        "params.yaml"
    )
    ada.run("dvc repro")
    ada.run("git commit -q -a -m 'Train on all measurements'")
    ada.run(
        "gitreg register churn-predictor models/churn --tag training_dataset=v2023-Q4 "
        "--tag feature_set=v2 --data data/train.csv -m 'all measurements'"
    )
    ada.run("gitreg promote churn-predictor@2 --to staging -m 'shadow traffic first'")

    story.step(
        "Compare, then promote",
        """Ada compares the candidate with the version in production, and promotes it on one
        condition: the metric must be better than the incumbent's. One commit moves the stage and
        the alias, and archives the incumbent.""",
    )
    ada.run("gitreg compare churn-predictor/production churn-predictor@2")
    ada.run(
        "gitreg promote churn-predictor@2 --to production --if-better roc_auc --alias champion "
        "--push -m 'better on every metric'"
    )
    ada.run("gitreg list")

    story.step(
        "Serve it on another machine",
        """Grace has a clone, but no training data. She pulls the champion. gitreg checks its bytes
        against the SHA-256 in the manifest. Then she predicts with the model.""",
    )
    grace.run("git clone -q $DEMO/host.git .")
    grace.run("gitreg pull churn-predictor@champion -o live", says="churn-predictor@2")
    grace.run("python predict.py live/model", says="30 features")

    story.step("Or without a clone", "The URL of the repository is enough.")
    alan.run("gitreg pull churn-predictor/production --repo $DEMO/host.git -o .")
    alan.run("ls -l model", says="model.pkl")

    story.step(
        "A worse model is refused",
        """Somebody tries to promote the first model again. It is not better than the incumbent, so
        nothing changes, and the exit code is 1, which makes a CI job fail.""",
    )
    ada.run("gitreg promote churn-predictor@1 --to production --if-better roc_auc", exits=1)
    ada.run("gitreg resolve churn-predictor/production", says="churn-predictor@2")

    story.step(
        "Roll back",
        """It is three in the morning, the predictions drift, and Grace is on call. gitreg finds the
        previous version in production in the history, and moves the stage and the alias back to
        it. The next pull gets that version.""",
    )
    grace.run(
        "gitreg rollback churn-predictor --push -m 'predictions drifted'", says="churn-predictor@1"
    )
    grace.run("gitreg pull churn-predictor@champion -o live --force", says="churn-predictor@1")
    grace.run("python predict.py live/model", says="10 features")

    with closing(Service(host)) as service:
        run_last_mile(story, ada, grace, service)

    story.step(
        "Who deployed what, and why?",
        """In the morning, Ada reads what happened. Every move is a commit, so `git log` shows it;
        `gitreg log` shows the same as a table.""",
    )
    ada.run("gitreg fetch")
    ada.run(
        "git log --date=format:'%Y-%m-%d %H:%M' --format='%h  %ad  %an  %s' registry/",
        says='Revert "promote churn-predictor@2 to production"',
    )
    ada.run("gitreg log", says="drifted")


def run_last_mile(story: Story, ada: Machine, grace: Machine, service: Service) -> None:
    """Tell what a running service makes of the moves; raise `StepError` as `run_story` does."""
    names, values, *_ = (ada.folder / "data/test.csv").read_text().splitlines()
    # The last column is the answer.
    row = dict(zip(names.split(",")[:-1], map(float, values.split(",")), strict=False))

    story.step(
        "A service follows production",
        """Grace starts the service of `examples/serving`. It asks the Git host each second, and
        loads what is in production before it answers.""",
    )
    service.start()
    service.becomes("Version 1 serves", lambda said: said["version"] == 1)
    service.predicts(row, version=1)

    story.step(
        "A promotion arrives without a restart",
        """The drift was in the data after all. Ada promotes version 2 again. The running service
        loads it beside the old one, checks it, and swaps.""",
    )
    ada.run("gitreg fetch")
    ada.run(
        "gitreg promote churn-predictor@2 --to production --alias champion --push "
        "-m 'the drift was in the data'"
    )
    service.becomes("Version 2 serves", lambda said: said["version"] == 2)
    service.predicts(row, version=2)

    story.step(
        "A broken version is refused, and the old one serves",
        """An export went wrong: the file is no pickle. Its metrics are those of the run, so nobody
        sees it before the promotion. The service does, and goes on with version 2.""",
    )
    ada.run("mkdir broken")
    ada.run("cp models/churn/features.json broken/features.json")
    ada.run("cp params.yaml broken/model.pkl")
    ada.run(
        "gitreg register churn-predictor broken --metric roc_auc=0.999 --push -m 'a bad export'"
    )
    ada.run("gitreg promote churn-predictor@3 --to production --push -m 'by its metrics'")
    service.becomes(
        "Version 3 does not load, and version 2 serves",
        lambda said: said["version"] == 2 and (said["failed"] or {}).get("version") == 3,
    )
    service.predicts(row, version=2)

    story.step(
        "A rollback arrives",
        """Grace takes the promotion back, and then goes on to version 1. The service follows both
        moves. Its log has all of it.""",
    )
    grace.run("gitreg fetch")
    grace.run("gitreg rollback churn-predictor --push -m 'it does not load'")
    service.becomes("Nothing fails any more", lambda said: not said["failed"])
    grace.run("gitreg rollback churn-predictor --to 1 --push -m 'version 2 drifts, too'")
    service.becomes("Version 1 serves", lambda said: said["version"] == 1)
    service.predicts(row, version=1)
    print(bold(f"{INDENT}service.log"))
    print(textwrap.indent(service.log(), INDENT), flush=True)


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(description="a demo of gitreg with real commands")
    parser.add_argument("--keep", action="store_true", help="do not remove the temporary folder")
    keep: bool = parser.parse_args().keep

    start = time.monotonic()
    story = Story()
    try:
        with workplace(keep=keep) as demo:
            print(f"DEMO={demo}", end="\n\n")
            run_story(story, demo)
    except (StepError, OSError) as error:
        print(f"\nFAILED in step {story.number} ({story.title}): {error}", file=sys.stderr)
        return 1
    print(f"All {story.number} steps in {time.monotonic() - start:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
