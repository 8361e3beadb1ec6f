"""`parse` answers as the strict reader does, in value and in words, whatever the document."""

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

MORE = [
    "\\",
    "\\x41",
    "\\ud83d",
    "%YAML 1.2\n",
    "...\n",
    "---\n",
    "|-\n",
    ">+\n  ",
    "|2\n",
    "a\n  b",
    "!a",
    "[a:b, ?c, -d]",
]
PIECES = PARTS | TRICKY | st.sampled_from([*WORDS, *MORE])

MANIFEST = manifest.write_manifest(WHOLE).decode()
BY_HAND = """\
format: 1
stages:
  production: {holds: 1, gates: [{metric: auc, at_least: 0.9}]}  # the best
text: |
  hello
  world
fold: >-
  a
  b

  c
'c d': "q\\n\\u00e9 \\
  x"
e: {f: , g: [], h: {}}
? i
: 'it''s'
"""


def answer(text: str) -> object:
    try:
        return typed(yaml.parse(text.encode(), "x"))
    except InvalidDocument as error:
        return str(error)


def strict_answer(text: str) -> object:
    try:
        found = yaml._build(text, "x")
    except InvalidDocument as error:
        return str(error)
    if not isinstance(found, dict):
        return f"x: expected a mapping, found {yaml.kind(found)}"
    return typed(found)


def agree(text: str) -> None:
    assert answer(text) == strict_answer(text)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=9).map("".join))
@example(".5\t")
@example("a: |#\n")
@example("a: >+\n  \n   :b\n")
@example("a: \ufeffb\n")
@example("a\u2028b: c\n")
@example("%YAML 1.1\n---\na: 1\n")
@example(": 1\n")
@example("a: b\n...\n...\n")
@example("fold: >-\n \r   a\n    b\n")
@example("*x: - \r\n")
@example("!\n  &x a")
def test_no_text_is_read_apart(text: str) -> None:
    agree(text)
    agree(f"k: {text}")


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_no_document_is_read_apart(document: dict[str, yaml.Value]) -> None:
    agree(yaml.dump(document).decode())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damaged_document_is_read_apart(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([MANIFEST, BY_HAND]))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(PIECES) + text[place + data.draw(st.integers(0, 3)) :]
    agree(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b\n...\n...\n", "x: line 3: a second document"),
        (
            "fold: >-\n \r   a\n    b\n",
            "x: not YAML: more indented follow up line than first in a block scalar",
        ),
        ("*x: - \r\n", "x: line 1: not YAML: sequence entries are not allowed here"),
        ("!\n  &x a", "x: line 2: YAML anchors and aliases are not allowed"),
    ],
)
def test_what_other_parsers_take_or_word_otherwise(text: str, message: str) -> None:
    """libyaml takes the first two, and finds something else wrong in the others."""
    assert answer(text) == message


def test_no_other_yaml_parser_is_imported() -> None:
    script = (
        "import sys\n"
        "from gitreg.core.documents import yaml\n"
        "print(yaml.parse(b'a: [1, {b: c}]', 'x'), 'yaml' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "{'a': [1, {'b': 'c'}]} False\n"
