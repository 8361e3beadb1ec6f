"""The JSON reference is the schema, in words: ``python -m tests.docs.test_json`` writes it anew."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "reference" / "json.md"
SCHEMA: dict[str, Any] = json.loads((DOCS / "schemas" / "output.schema.json").read_text())
_GENERATED = re.compile(r"(?<=<!-- from the schema -->\n).*", re.DOTALL)


def generated() -> str:
    """Return the part of the page that the schema gives."""
    parts = ["\n## Commands\n"]
    for command, schema in SCHEMA["commands"].items():
        parts += _section(f"`gitreg {command}`", schema)
    parts.append("## What they are made of\n")
    for name, schema in SCHEMA["$defs"].items():
        parts += _section(name, schema)
    return "\n".join(parts)


def _section(title: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {title}\n"
    inner = schema.get("items", {})
    if schema.get("type") == "array" and "properties" not in inner:
        yield f"A {_type(schema)}. {schema['description']}\n"
        return
    if "$ref" in schema:
        yield f"A {_type(schema)}.\n"
        return
    words = "A list. " if inner else ""
    yield f"{words}{schema['description']}\n"
    fields = inner or schema
    if "properties" not in fields:
        return
    yield "| key | type | meaning |\n|---|---|---|"
    required = fields["required"]
    for name, one in fields["properties"].items():
        absent = "" if name in required else " (not always there)"
        yield f"| `{name}` | {_type(one)} | {one.get('description', '')}{absent} |"
    yield ""


def _type(schema: Mapping[str, Any]) -> str:
    """Return a type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name})"
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return "text"
    kind = schema.get("type", "any")
    kinds: list[str] = kind if isinstance(kind, list) else [kind]
    if kinds == ["array"]:
        items = schema["items"]
        return "list of objects" if "properties" in items else f"list of {_type(items)}"
    if kinds == ["object"] and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    names = {"string": "text", "array": "list", "boolean": "true or false"}
    if "string" in kinds and str(schema.get("pattern", "")).startswith(r"^\d{4}"):
        names["string"] = "time"
    return " or ".join(names.get(one, one) for one in kinds)


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(SCHEMA)
    for schema in (*SCHEMA["commands"].values(), *SCHEMA["$defs"].values()):
        Draft7Validator.check_schema(schema)


def test_the_page_is_the_schema() -> None:
    found = _GENERATED.search(PAGE.read_text())
    assert found is not None
    assert found[0] == generated()


if __name__ == "__main__":
    PAGE.write_text(_GENERATED.sub(lambda _: generated(), PAGE.read_text()))
