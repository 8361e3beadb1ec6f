"""The four scripts in turn, on a registry that is a Git repository, and its history at the end.

    python lesson.py [FOLDER]

Everything happens in FOLDER (a temporary one by default): the registry `models`, and MLflow's
own tracking database beside it. The scripts are run as they are: two variables say where both are,
and a third keeps MLflow's warnings that stages will go out of the way.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Lesson:
    """A registry, a tracking database, and the scripts that are run on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = folder / "models"
        self.environment = os.environ | {
            "MLFLOW_REGISTRY_URI": f"gitreg://{self.registry}",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'tracking.db'}",
            "PYTHONWARNINGS": "ignore::FutureWarning",
        }

    def run(self, *command: str, exits: int = 0, within: Path | None = None) -> None:
        """Print a command and run it; end the lesson when it exits otherwise than it should."""
        print(f"\n$ {' '.join(command)}", flush=True)
        done = subprocess.run(command, check=False, cwd=within or self.folder, env=self.environment)
        if done.returncode != exits:
            sys.exit(f"it exited {done.returncode}, not {exits}")

    def script(self, name: str, *options: str, exits: int = 0) -> None:
        """Run one of the scripts beside this one."""
        self.run(sys.executable, str(HERE / name), *options, exits=exits)

    def gitreg(self, *command: str) -> None:
        """Run gitreg in the registry, as it is installed for this interpreter."""
        self.run(sys.executable, "-m", "gitreg", *command, within=self.registry)

    def tell(self) -> None:
        """Train three times, promote what is better, and go back."""
        self.registry.mkdir(parents=True)
        self.gitreg("init")
        self.script("train.py", "--c", "0.001")
        self.script("promote.py", "1")
        self.script("train.py", "--features", "mean", "error", "worst")
        self.script("promote.py", "2")
        self.script("train.py", "--c", "0.0001")
        self.script("promote.py", "3", exits=1)  # worse than what serves
        self.script("rollback.py")
        self.gitreg("list")
        self.run("git", "--no-pager", "log", "--format=%h %s", "registry/", within=self.registry)


def main() -> None:
    """Tell the lesson in the folder that is given, or in a temporary one."""
    if len(sys.argv) > 1:
        Lesson(Path(sys.argv[1]).resolve()).tell()
        return
    with tempfile.TemporaryDirectory() as folder:
        Lesson(Path(folder).resolve()).tell()


if __name__ == "__main__":
    main()
