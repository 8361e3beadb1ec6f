"""Every command's JSON is as its schema in docs/schemas/output.schema.json says, to the key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
from jsonschema import Draft7Validator

from gitreg.cli import app
from gitreg.cli.transfers import move_json
from gitreg.transfer.report import ModelMoved, Remark, Report
from tests.conftest import git, write_model
from tests.git.test_remote import colleague
from tests.support.commands import gitreg
from tests.support.signers import make_key

FILE = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "output.schema.json"
SCHEMA: dict[str, Any] = json.loads(FILE.read_text())
TRANSFERS = {"import mlflow", "import gto", "export mlflow"}
"""Their JSON is one function's, tested without a server."""


def check(value: object, schema: Mapping[str, Any]) -> None:
    validator = Draft7Validator({"$defs": SCHEMA["$defs"], **schema})
    problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
    assert not problems


def with_json(group: Any, *path: str) -> set[str]:
    """Return the commands that have an option ``--json``."""
    found = set()
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= with_json(command, *path, name)
        elif any("--json" in parameter.opts for parameter in command.params):
            found.add(" ".join((*path, name)))
    return found


def test_every_command_has_a_schema() -> None:
    described = {re.sub(r" (--.*|[A-Z]+)$", "", name) for name in SCHEMA["commands"]}
    assert described == with_json(typer.main.get_command(app))


def test_a_schema_finds_a_key_too_many_and_a_time_without_a_zone() -> None:
    good = {"model": "churn", "version": 1, "read_from": "a" * 40}
    check(good, SCHEMA["commands"]["resolve"])
    for bad in ({"more": 1}, {"version": "1"}, {"read_from": None}):
        with pytest.raises(AssertionError):
            check({**good, **bad}, SCHEMA["commands"]["resolve"])
    (event,) = (SCHEMA["$defs"]["event"]["properties"]["time"],)
    check("2026-11-30T22:08:25Z", event)
    with pytest.raises(AssertionError):
        check("2026-11-30T22:08:25", event)


class Printed(dict[str, int]):
    """Runs commands, checks their JSON, and counts how often each form was printed."""

    def __call__(self, line: str, *words: str, form: str | None = None, code: int = 0) -> Any:
        ran = gitreg(
            *line.split(), *words, *(["--json"] if "--" not in line.split() else []), code=code
        )
        known = [name for name in SCHEMA["commands"] if f"{line} ".startswith(f"{name} ")]
        name = form or max(known, key=len)
        check(ran.json, SCHEMA["$defs"]["error"] if code == 2 else SCHEMA["commands"][name])
        self[name] = self.get(name, 0) + 1
        return ran.json

    def lines(self, name: str) -> None:
        """Run a command that prints JSON in lines; check each."""
        printed = gitreg(name, "--json").out.splitlines()
        assert len(printed) > 10
        for line in printed:
            check(json.loads(line), SCHEMA["commands"][name])
        self[name] = len(printed)


def _with_a_policy(work: Path, keys: Path) -> None:
    key = make_key(keys, "grace")
    git(work, "config", "user.signingkey", str(key.file))
    git(work, "config", "gpg.format", "ssh")
    (work / "registry/policy.yaml").write_text(
        "format: 1\nstages:\n  staging: {}\n  production:\n    holds: 1\n"
        "    gates: [{metric: auc, at_least: 0.75}]\n"
        "    approvals: {count: 1, by: [grace@example.com]}\n"
        f"  archived: {{}}\nsigners: {{grace@example.com: [{key.line}]}}\n"
    )
    git(work, "commit", "--quiet", "-am", "policy")


def _writes(run: Printed, tmp_path: Path) -> None:
    run("push")
    run("init", str(tmp_path / "new"))
    data = ("--data", "models/tokenizer", "--run-id", "7", "--param", "lr=0.1", "--metric", "auc=1")
    assert run("register churn models/churn", *data)["version"] == 4
    refused = gitreg(*["promote", "churn@1", "--to", "production", "--json"], code=1).json
    check(refused, SCHEMA["$defs"]["error"])
    assert refused["verdicts"][0]["version"] == 1
    for number in (4, 3):
        assert run(f"approve churn@{number} --to production")["commit"]
    assert run("promote churn@4 --to production -m why")["verdicts"]
    run("promote churn@2 --to staging --dry-run")
    _measures(run)
    run("rollback churn --list", form="rollback --list")
    assert run("rollback churn")["restored"]
    for line in (
        *("archive churn@1", "alias set churn@4 best", "alias delete churn@best"),
        *("annotate churn --owner growth --tag a=b", "annotate churn@4 --tag a=b"),
        *("create third", "rename third fourth", "delete churn@1", "deploy render"),
    ):
        run(line)


def _measures(run: Printed) -> None:
    numbers = '{"auc": 1, "slices": [{"where": "young", "auc": 1}]}'
    write = f"sh -c 'printf %s \"$2\" > $1' - {{metrics}} '{numbers}' {{model}}"
    q4 = ("--name", "q4", "--data", "models/tokenizer", "--run", write)
    assert run("evaluate churn@2 churn@4", *q4)["commit"]
    assert run("compare churn@2 churn@4")["evaluations"]["q4"]["is_fair"]
    assert run("reproduce churn@4", code=3)["missing"]
    assert run("reproduce churn@4 --dry-run", form="reproduce --dry-run")["missing"]
    assert run("card churn")["missing"]
    assert run("dossier churn@4")["verification"]


def _reads(run: Printed, tmp_path: Path) -> None:
    run("list")
    run("list churn", form="list NAME")
    run("show churn@4")
    assert run("show churn/production")["held"]["since"].endswith("Z")
    assert run("show churn", form="show MODEL")["moves"]
    assert len(run("log")) > 10
    run.lines("events")
    assert len(run("timeline")) > 5
    assert run("search", "version > 1 AND name = 'churn'")
    for reference in ("churn/production", "churn@4", "tokenizer@1"):
        assert run(f"explain {reference}")["read_from"]
    run("resolve churn@4")
    run("compare churn@2 churn@4")
    detail = "compare churn@2 churn@4 --code --data --environment"
    assert run(detail, form="compare --code")["data"]["changes"]
    assert run("bisect churn --dry-run", form="bisect --dry-run")["candidates"][0]["left_out"]
    check = ("sh", "-c", "test $GITREG_VERSION -lt 3")
    assert run("bisect churn --json --", *check)["first_bad"] == 3
    run("pull churn@4 -o", str(tmp_path / "out"))
    assert run("verify churn")
    run("policy show")
    assert run("policy test tokenizer@1 --to production", code=1)
    run("check HEAD~3..HEAD")
    for line in ("show nope@1", "show", "list --at soon", "nonsense"):
        run(line, form="error", code=2)


def _shares(run: Printed, work: Path) -> None:
    run("hook install post-merge")
    assert run("status")["unpublished"]
    assert run("push")["sent"]
    other = str(colleague(work.parent))
    gitreg("alias", "set", "churn@2", "old", "--push", "--repo", other)
    assert run("fetch")["events"]
    assert run("status")["brought"]
    git(work, "tag", "-d", "churn@v2.0.0")
    assert run("tags sync --dry-run")["made"]
    assert run("doctor")


def test_what_every_command_prints(work: Path, tmp_path: Path) -> None:
    _with_a_policy(work, tmp_path / "keys")
    write_model(work, "more")
    run = Printed()
    _writes(run, tmp_path)
    _reads(run, tmp_path)
    _shares(run, work)
    assert set(run) == {*SCHEMA["commands"], "error"} - TRANSFERS


def test_what_transfers_print() -> None:
    remarks = (Remark("churn", 2, "its bytes are gone", True), Remark("churn", None, "new", False))
    report = Report(
        "http://host", (ModelMoved("churn", (1,), (), ("tags",), remarks),), dry_run=True
    )
    for name in sorted(TRANSFERS):
        check(move_json(report), SCHEMA["commands"][name])
