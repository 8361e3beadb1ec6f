"""What docs say of the code is true: paths, keys, commands and options exist; links work."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer

import gitreg as package
from gitreg import errors
from gitreg.cli import app
from gitreg.core.documents import yaml
from gitreg.core.model.manifest import read_manifest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
GENERATED = {"reference/commands.md", "schemas/policy.schema.json", "schemas/manifest.schema.json"}
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_PATH = re.compile(r"`((?:gitreg|tests|docs|examples|registry)/[\w./-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """GitHub shows these pages as well; `make docs` checks the site, anchors too."""
    for link in _LINK.findall(page.read_text()):
        if "://" in link:
            continue
        target = (page.parent / link).resolve()
        assert target.exists() or str(target.relative_to(DOCS)) in GENERATED, link


def test_the_architecture_names_what_is_there() -> None:
    for page in (DOCS / "architecture.md", ROOT / "CONTRIBUTING.md"):
        for path in _PATH.findall(page.read_text()):
            if not path.startswith("registry/"):
                assert (ROOT / path).exists(), path


def test_every_room_is_in_the_architecture() -> None:
    text = (DOCS / "architecture.md").read_text()
    for part in (ROOT / "gitreg").iterdir():
        is_room = part.is_dir() and part.name != "__pycache__"
        if is_room or part.name in {"hooks.py", "errors.py", "findings.py"}:
            assert f"| `gitreg/{part.name}{'/' if is_room else ''}` |" in text
    for folder in (ROOT / "gitreg" / "core").iterdir():
        if folder.is_dir() and folder.name != "__pycache__":
            assert f"| `gitreg/core/{folder.name}/` |" in text


def test_the_policy_reference_has_every_key() -> None:
    text = (DOCS / "reference" / "policy.md").read_text()
    schema = ROOT / "gitreg" / "core" / "documents" / "schemas" / "policy.schema.json"
    policy = json.loads(schema.read_text())
    gates = [key for gate in policy["definitions"]["gate"]["anyOf"] for key in gate["properties"]]
    for key in (*policy["properties"], *policy["definitions"]["stage"]["properties"], *gates):
        assert re.search(rf"\b{key}\b", text), key


def test_the_python_reference_has_every_name() -> None:
    text = (DOCS / "reference" / "python.md").read_text()
    shown = {
        name.rpartition(".")[2] for name in re.findall(r"^::: (gitreg\.\S+)", text, re.MULTILINE)
    }
    assert "errors" in shown  # with all that is in it
    assert set(package.__all__) - shown - set(vars(errors)) == {"__version__"}


def test_the_manifest_that_is_shown_is_one() -> None:
    text = (DOCS / "reference" / "files.md").read_text()
    (shown,) = re.findall(r"```yaml\n(format: 1\nmodel:.*?)```", text, re.DOTALL)
    assert read_manifest(shown.encode(), "files.md").version == 5
    schema = ROOT / "gitreg" / "core" / "documents" / "schemas" / "manifest.schema.json"
    known = json.loads(schema.read_text())["properties"]
    assert set(known) - set(yaml.parse(shown.encode(), "files.md")) == {"signature"}
    assert "`signature`" in text


def test_commands_that_are_named_exist() -> None:
    """Every `gitreg COMMAND` of a page, and every option that stands behind it."""
    root = typer.main.get_command(app)
    for page in PAGES:
        for line in re.findall(
            r"\bgitreg ((?:[a-z-]+)(?: [^\n`|#&]*)?)", _code_of(page.read_text())
        ):
            words = line.split()
            command = getattr(root, "commands", {}).get(words[0])
            assert command is not None, (page.name, line)
            if hasattr(command, "commands"):
                if len(words) < 2 or words[1] not in command.commands:
                    assert len(words) < 2, (page.name, line)
                    continue
                command = command.commands[words[1]]
            known = {option for parameter in command.params for option in parameter.opts}
            own = words[: words.index("--")] if "--" in words else words
            for word in own:
                if word.startswith("--"):
                    assert word.partition("=")[0] in {*known, "--help"}, (page.name, line)


def _code_of(text: str) -> str:
    """Return the code of a page: fences and spans, without what programs print."""
    fences = re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL)
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    commands = [
        line.removeprefix("$ ")
        for fence in fences
        for line in fence.splitlines()
        if line.startswith(("$ ", "gitreg "))
    ]
    return "\n".join([*commands, *re.findall(r"`([^`\n]+)`", rest)])
