"""From a trained model to production and back: the whole of gitreg in one sitting.

    python examples/demo.py [--keep]

It runs in a temporary folder and for real: Git, DVC, and a scikit-learn model that the pipeline
in `examples/churn` trains. Two people take part, on two machines that are two clones: Ada trains
in `training`, Grace serves in `serving`. A folder stands in for the Git host and another one for
the bucket; with a URL in place of each, the commands are those of a team.

Every command is printed as a person would type it (`$DEMO` is the temporary folder). The first
one that does not do what the story says ends the demo, with the step that failed and exit code 1.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent / "churn"
# Traces of somebody running the pipeline in the checkout; the demo makes its own.
LEFTOVERS = shutil.ignore_patterns("__pycache__", "data", "models", "metrics.json", "dvc.lock")
INDENT = "    "


class StepError(Exception):
    """A command did not do what the story says; the text tells which and how."""


class Machine:
    """A person at a folder, with an environment in which nothing of the host's is configured."""

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
        """Print the command and its output; raise `StepError` unless it exits and says so."""
        print(f"{INDENT}{bold(f'{self.folder.name} $ {command}')}", flush=True)
        words = [word.replace("$DEMO", self.environment["DEMO"]) for word in shlex.split(command)]
        done = subprocess.run(  # the commands are those of `tell`, below
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
            raise StepError(f"`{command}` exited {done.returncode}, not {exits}")
        if says not in done.stdout:
            raise StepError(f"`{command}` did not say {says!r}")


class Story:
    """The steps, numbered as they are told, so that a failure can name its own."""

    def __init__(self) -> None:
        self.number = 0
        self.title = "preparing"

    def step(self, title: str, told: str) -> None:
        """Begin a step: print its title and what happens in it."""
        self.number += 1
        self.title = title
        print(bold(f"{self.number}. {title}"))
        print(textwrap.fill(" ".join(told.split()), width=88), end="\n\n", flush=True)


def hermetic(demo: Path) -> dict[str, str]:
    """Return an environment that keeps the host's Git, DVC and caches out, and the demo in."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "DVC_", "GITREG_", "XDG_"))
    }
    home = demo / "home"
    return kept | {
        "DEMO": str(demo),
        # gitreg, dvc and python are those of the environment that runs the demo.
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
        # DVC would ask its own site, in the background, whether a newer DVC is out.
        settings.write_text("[core]\n    analytics = false\n    check_update = false\n")
        shutil.copytree(EXAMPLE, demo / "training", ignore=LEFTOVERS)
        (demo / "serving").mkdir()
        (demo / "anywhere").mkdir()
        yield demo
    finally:
        if keep:
            print(f"kept: {demo}")
        else:
            shutil.rmtree(demo)


def bold(text: str) -> str:
    """Return the text in bold where that can be seen."""
    seen = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return f"\033[1m{text}\033[0m" if seen else text


def tell(story: Story, demo: Path) -> None:
    """Run the story, step by step; raise `StepError` at the first thing that is not as told."""
    ada = Machine(demo, "training", "Ada Lovelace")
    grace = Machine(demo, "serving", "Grace Hopper")
    alan = Machine(demo, "anywhere", "Alan Turing")

    story.step(
        "A repository becomes a registry",
        """Ada has a DVC pipeline that trains a churn model. `gitreg init` adds the registry: a
        folder of YAML files, and nothing that has to run. The bytes of models will go to a DVC
        remote, the rest to the Git host.""",
    )
    ada.run("git init -q -b main")
    ada.run("gitreg init")
    ada.run("dvc remote add --default storage $DEMO/bucket")
    ada.run("git init -q --bare -b main $DEMO/host.git")
    ada.run("git remote add origin $DEMO/host.git")

    story.step(
        "Train a first model",
        """It sees a third of the measurements and is held on a short leash. The pipeline writes
        the model, `models/churn`, and its metrics; what came from what is in `dvc.lock`.""",
    )
    ada.run("dvc repro")
    ada.run("git add .")
    ada.run("git commit -q -m 'Train on the averages'")

    story.step(
        "Register it",
        """The metrics, the parameters, the data, the command and the commit behind the model come
        from `dvc.lock` and Git by themselves; only what they cannot know is said. The bytes
        are in the bucket before anyone can see that version 1 exists.""",
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
        """All measurements this time, and a longer leash. `--data` names data by hand, where no
        pipeline knows it.""",
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
        """What differs between the candidate and what is in production? Then the promotion, on
        the condition that the metric is better than the incumbent's: stage and alias move in one
        commit, and the incumbent is archived by it.""",
    )
    ada.run("gitreg compare churn-predictor/production churn-predictor@2")
    ada.run(
        "gitreg promote churn-predictor@2 --to production --if-better roc_auc --alias champion "
        "--push -m 'better on every metric'"
    )
    ada.run("gitreg list")

    story.step(
        "Serve it on another machine",
        """Grace has a clone and no training data. She asks for the champion, gets bytes whose
        SHA-256 is that of the manifest, and predicts with them.""",
    )
    grace.run("git clone -q $DEMO/host.git .")
    grace.run("gitreg pull churn-predictor@champion -o live", says="churn-predictor@2")
    grace.run("python predict.py live/model", says="30 features")

    story.step("Or without a clone", "All that is needed is the URL of the repository.")
    alan.run("gitreg pull churn-predictor/production --repo $DEMO/host.git -o .")
    alan.run("ls -l model", says="model.pkl")

    story.step(
        "A worse model is refused",
        """Somebody liked the first one. It does not beat the incumbent: nothing changes, and the
        exit code is 1, so that a CI job fails.""",
    )
    ada.run("gitreg promote churn-predictor@1 --to production --if-better roc_auc", exits=1)
    ada.run("gitreg resolve churn-predictor/production", says="churn-predictor@2")

    story.step(
        "Roll back",
        """Three in the morning, and the predictions drift. Grace is on call: the version that was
        in production before is found by history, and the alias goes back with it. The next pull
        delivers it.""",
    )
    grace.run(
        "gitreg rollback churn-predictor --push -m 'predictions drifted'", says="churn-predictor@1"
    )
    grace.run("gitreg pull churn-predictor@champion -o live --force", says="churn-predictor@1")
    grace.run("python predict.py live/model", says="10 features")

    story.step(
        "Who deployed what, and why?",
        """Back at her desk, Ada reads what happened. Every move is a commit, so Git knows;
        `gitreg log` is the same as a table.""",
    )
    ada.run("gitreg fetch")
    ada.run(
        "git log --date=format:'%Y-%m-%d %H:%M' --format='%h  %ad  %an  %s' registry/",
        says='Revert "promote churn-predictor@2 to production"',
    )
    ada.run("gitreg log", says="drifted")


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(description="the story of gitreg, run for real")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder in place")
    keep: bool = parser.parse_args().keep

    start = time.monotonic()
    story = Story()
    try:
        with workplace(keep=keep) as demo:
            print(f"DEMO={demo}", end="\n\n")
            tell(story, demo)
    except (StepError, OSError) as error:
        print(f"\nFAILED in step {story.number} ({story.title}): {error}", file=sys.stderr)
        return 1
    print(f"All {story.number} steps in {time.monotonic() - start:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
