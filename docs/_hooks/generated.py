"""MkDocs calls `on_files`, which adds the pages and files that come from the code."""

import os
from collections.abc import Iterator
from importlib.resources import files as resources
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from gitreg.cli import app

WIDTH = "100"
"""How wide a command's help is, in columns."""

INTRODUCTION = """\
# Commands

Every command prints this help with `--help`. `gitreg --install-completion` teaches your shell the
commands, the models and the stages.

- Commands that read a registry take `--json`, `--rev REV` and `--at TIME`.
- Commands that change a model take `-m REASON`, `--dry-run`, `--push`, `--pr` and `--op-id`.
- See also [Exit codes](exit-codes.md) and [JSON output](json.md).
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return the site's files with those that the code gives."""
    generated = {"reference/commands.md": commands_page()}
    schemas = resources("gitreg.core.documents").joinpath("schemas")
    for name in ("policy.schema.json", "manifest.schema.json"):
        generated[f"schemas/{name}"] = schemas.joinpath(name).read_text("utf-8")
    for path, content in generated.items():
        files.append(File.generated(config, path, content=content))
    return files


def commands_page() -> str:
    """Return the help of every command, as Markdown."""
    os.environ["COLUMNS"] = WIDTH
    root = typer.main.get_command(app)
    parts = [INTRODUCTION]
    for path, command, context in _commands(root, typer.Context(root, info_name="gitreg")):
        help_text = command.get_help(context).replace("\x1b", "")
        parts.append(f"## {path}\n\n```text\n{help_text.rstrip()}\n```\n")
    return "\n".join(parts)


def _commands(group: Any, context: Any) -> Iterator[tuple[str, Any, Any]]:
    for name, command in group.commands.items():
        inner = typer.Context(command, info_name=name, parent=context)
        if hasattr(command, "commands"):
            yield from _commands(command, inner)
        else:
            yield inner.command_path, command, inner
