"""What libyaml reads, ruamel.yaml reads in the same way; without libyaml nothing changes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitreg.core.documents import yaml
from gitreg.core.model import manifest
from gitreg.errors import InvalidDocument
from tests.core.documents.test_other_readers import VALUES, WORDS
from tests.core.documents.test_quick_yaml import PARTS
from tests.core.documents.test_yaml import TEXTS, TRICKY, typed
from tests.core.model.test_manifest import WHOLE

needs_libyaml = pytest.mark.skipif(yaml._libyaml() is None, reason="PyYAML without libyaml")
MORE = [
    "\\",
    "\\x41",
    "\\ud83d",
    "%YAML 1.2\n",
    "|-\n",
    ">+\n  ",
    "|2\n",
    "a\n  b",
    "!a",
    "[a:b, ?c, -d]",
]
PIECES = PARTS | TRICKY | st.sampled_from([*WORDS, *MORE])


def by_libyaml(text: str) -> object:
    """Return what libyaml's events describe, an error, or ``None`` for what is not for it."""
    parser = yaml._libyaml()
    if parser is None or yaml._READ_APART.search(text):
        return None
    try:
        return yaml._collect(yaml._fast_events(parser(text)), "x")
    except yaml._RefusedByLibyaml:
        return None
    except InvalidDocument as error:
        return error


def by_ruamel(text: str) -> dict[str, yaml.Value]:
    found = yaml._collect(yaml._events(text, "x"), "x")
    if not isinstance(found, dict):
        raise InvalidDocument("no mapping")
    return found


def agree(text: str) -> None:
    fast = by_libyaml(text)
    if isinstance(fast, dict):
        assert typed(fast) == typed(by_ruamel(text))
    elif fast is not None:
        with pytest.raises(InvalidDocument):
            by_ruamel(text)


@settings(max_examples=1000, deadline=None)
@given(st.lists(PIECES, max_size=9).map("".join))
@example(".5\t")
@example("a: |#\n")
@example("a: >+\n  \n   :b\n")
@example("a: \ufeffb\n")
@example("a\u2028b: c\n")
@example("%YAML 1.1\n---\na: 1\n")
@example(": 1\n")
def test_no_text_is_read_apart(text: str) -> None:
    agree(text)
    agree(f"k: {text}")


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_no_document_is_read_apart(document: dict[str, yaml.Value]) -> None:
    agree(yaml.dump(document).decode())


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_damaged_manifest_is_read_apart(data: st.DataObject) -> None:
    text = manifest.write_manifest(WHOLE).decode()
    place = data.draw(st.integers(0, len(text)))
    agree(text[:place] + data.draw(PIECES) + text[place + data.draw(st.integers(0, 3)) :])


@needs_libyaml
@pytest.mark.parametrize(
    "text", ["a: [1, {b: 'c'}]  # why\n", 'a: "b\\n"\n', "a: |\n  b\n  c\n", "---\na: {}\n"]
)
def test_what_people_write_is_for_libyaml(text: str) -> None:
    assert isinstance(by_libyaml(text), dict)
    agree(text)


def test_without_pyyaml_documents_are_read_the_same() -> None:
    script = (
        "import sys\n"
        "sys.modules['yaml'] = None\n"
        "from gitreg.core.documents import yaml\n"
        "assert yaml._libyaml() is None\n"
        "print(yaml.parse(b'a: [1, {b: c}]', 'x'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "{'a': [1, {'b': 'c'}]}\n"


def test_a_pyyaml_without_libyaml_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml.cyaml", None)
    yaml._libyaml.cache_clear()
    try:
        assert yaml.parse(b"a: [1, {b: c}]", "x") == {"a": [1, {"b": "c"}]}
        assert yaml._libyaml() is None
    finally:
        yaml._libyaml.cache_clear()
