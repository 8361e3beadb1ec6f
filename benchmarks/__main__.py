"""The command line: ``python -m benchmarks [--quick] [--only NAME] [--json FILE]``."""

import argparse
import json
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import (
    artifacts,
    cold,
    goals,
    load,
    machine,
    mlflow_store,
    operations,
    past,
    report,
    search,
    serving,
    startup,
    surroundings,
)
from benchmarks.harness import Result
from benchmarks.processes import Launcher
from benchmarks.scale import SCALES

PARTS = {
    "operations": "Operations, in-process and warm",
    "past": "Questions to the history, in-process and warm",
    "startup": "Whole processes",
    "cold": "A job that starts cold, whole processes",
    "artifacts": "Artifacts, whole processes with their peak memory",
    "mlflow": "MLflow's calls, on its own store and on gitreg's",
    "search": "Searches on a warm index",
    "serving": "A promotion arrives in a running service",
    "load": "Concurrent writers, each publishing from its own clone",
}
OURS = "gitreg"
RESULTS = Path(__file__).with_name("results.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write the results; return 1 when a contender failed."""
    options = _parser().parse_args(argv)
    parts = [part for part in PARTS if not options.only or part in options.only]
    # Otherwise a terminated run leaves gigabytes behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(
        prefix="gitreg-benchmarks-", ignore_cleanup_errors=True
    ) as name:
        folder = Path(name).resolve()
        surroundings.enclose(folder)
        facts = machine.describe()
        print(_facts(facts))
        with Launcher(folder) as launcher:
            measured = {part: _run(part, folder, launcher, quick=options.quick) for part in parts}
        everything = [result for results in measured.values() for result in results]
        verdicts = goals.judge(everything)
        print(f"\n\nGoals\n\n{goals.render(verdicts)}")
        _write(options.json, facts, measured, verdicts, quick=options.quick)
        print(f"\nWritten to {options.json}")
        _progress("removing the temporary folder")
    failed = [result for result in everything if result.failed]
    for result in failed:
        sys.stderr.write(f"{result.task} {result.scale} {result.subject}: {result.note}\n")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="10x10 and 100x100 only, GTO at 10x10 only, artifacts of 64 MiB",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=list(PARTS),
        metavar="NAME",
        help=f"run only this part; can be repeated: {', '.join(PARTS)}",
    )
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE")
    return parser


def _run(part: str, folder: Path, launcher: Launcher, *, quick: bool) -> list[Result]:
    """Measure one part and print its tables."""
    scales = SCALES[:2] if quick else SCALES
    registries = folder / "registries"
    if part == "operations":
        results = operations.run(scales, registries, quick=quick, progress=_progress)
    elif part == "past":
        results = past.run(folder / "past", progress=_progress)
    elif part == "startup":
        results = startup.run(scales, registries, launcher, quick=quick, progress=_progress)
    elif part == "cold":
        results = cold.run(scales[1:], folder / "cold", launcher, progress=_progress)
    elif part == "mlflow":
        results = mlflow_store.run(folder / "mlflow", progress=_progress)
    elif part == "search":
        scales = search.SCALES[:1] if quick else search.SCALES
        results = search.run(scales, registries, progress=_progress)
    elif part == "serving":
        results = serving.run(folder / "serving", progress=_progress)
    elif part == "load":
        results = load.run(folder / "load", registries, quick=quick, progress=_progress)
    else:
        results = artifacts.run(folder / "artifacts", launcher, quick=quick, progress=_progress)
    print(f"\n\n{report.section(PARTS[part], results, OURS)}", flush=True)
    return results


def _write(
    path: Path,
    facts: Mapping[str, str],
    measured: Mapping[str, Sequence[Result]],
    verdicts: Sequence[goals.Verdict],
    *,
    quick: bool,
) -> None:
    """Write everything as JSON."""
    everything = [result for results in measured.values() for result in results]
    document = {
        "machine": facts,
        "quick": quick,
        "results": {
            part: [report.as_json(result) for result in results]
            for part, results in measured.items()
        },
        "ratios": report.ratios(everything, lambda subject: subject.startswith(OURS)),
        "goals": [goals.as_json(verdict) for verdict in verdicts],
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def _facts(facts: dict[str, str]) -> str:
    return "\n".join(f"{name:<10} {value}" for name, value in facts.items())


def _progress(text: str) -> None:
    """Print progress to stderr, so that the tables can be redirected."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")


if __name__ == "__main__":
    sys.exit(main())
