"""Run the scripts in turn on a registry that is a Git repository, and print its history.

    python lesson.py [FOLDER]

Everything happens in FOLDER (a temporary one by default): the registry `models`, and MLflow's
tracking database beside it. The scripts run unchanged. Two environment variables give the two
places, and a third one hides MLflow's warnings that stages are deprecated.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Lesson:
    """A registry, a tracking database, and the scripts that run on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = folder / "models"
        self.environment = os.environ | {
            "MLFLOW_REGISTRY_URI": f"gitreg://{self.registry}",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'tracking.db'}",
            "PYTHONWARNINGS": "ignore::FutureWarning",
        }

    def run(self, *command: str, exits: int = 0, within: Path | None = None) -> None:
        """Print a command and run it; end the lesson if the exit code is not the expected one."""
        print(f"\n$ {' '.join(command)}", flush=True)
        done = subprocess.run(command, check=False, cwd=within or self.folder, env=self.environment)
        if done.returncode != exits:
            sys.exit(f"the command exited with {done.returncode}, not {exits}")

    def script(self, name: str, *options: str, exits: int = 0) -> None:
        """Run one of the scripts in this folder."""
        self.run(sys.executable, str(HERE / name), *options, exits=exits)

    def gitreg(self, *command: str) -> None:
        """Run this interpreter's gitreg in the registry."""
        self.run(sys.executable, "-m", "gitreg", *command, within=self.registry)

    def run_all(self) -> None:
        """Train three times, promote the better models, and roll back."""
        self.registry.mkdir(parents=True)
        self.gitreg("init")
        self.script("train.py", "--c", "0.001")
        self.script("promote.py", "1")
        self.script("train.py", "--features", "mean", "error", "worst")
        self.script("promote.py", "2")
        self.script("train.py", "--c", "0.0001")
        self.script("promote.py", "3", exits=1)  # worse than the version in Production
        self.script("rollback.py")
        self.gitreg("list")
        self.run("git", "--no-pager", "log", "--format=%h %s", "registry/", within=self.registry)


def main() -> None:
    """Run the lesson in the given folder, or in a temporary one."""
    if len(sys.argv) > 1:
        Lesson(Path(sys.argv[1]).resolve()).run_all()
        return
    with tempfile.TemporaryDirectory() as folder:
        Lesson(Path(folder).resolve()).run_all()


if __name__ == "__main__":
    main()
