"""Doctor parses each form of a document once, and judges every document as the reader does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg import Registry
from gitreg.core.model.manifest import read_dvc_pointer, read_manifest
from gitreg.doctor import Inspection
from gitreg.doctor.forms import Forms
from gitreg.errors import GitregError, InvalidDocument
from gitreg.git.objects import GitObject, ObjectReader
from tests.conftest import git
from tests.doctor.test_doctor import commit, findings

SUM = "c9380b733a2b043fe95ae9eb00c6e0853729ac1eff37b5663920cd7063eabe5f"
MANIFEST = f"""\
format: 1
model: churn
version: 3
created_at: '2020-01-01T00:03:00Z'
created_by: Ada <ada@example.com>
artifact:
  path: model.pkl
  size: 1080
  files: 1
  sha256: {SUM}
metrics:
  accuracy: 0.871
  loss: -0.5
params:
  depth: 6
lineage:
  source: model.pkl
  code:
    commit: {SUM[:40]}
    dirty: false
  data:
  - path: data.csv
    md5: {SUM[:32]}
    size: 7
"""
POINTER = f"outs:\n- md5: {SUM[:32]}.dir\n  size: 1080\n  nfiles: 2\n  hash: md5\n  path: model\n"
VALUES = [
    "0",
    "1",
    "-1",
    "5",
    "+5",
    "007",
    "0x1f",
    "1e5",
    "1.5",
    "-1.5",
    ".5",
    ".inf",
    "9" * 18,
    "9" * 20,
    "1" * 32,
    "1" * 40,
    "1" * 64,
    "1" * 31 + "e",
    "1e" + "1" * 30,
    "1e" + "1" * 62,
    "a" * 32,
    "a" * 40,
    "a" * 64,
    f"'{'1' * 64}'",
    f"'{'1' * 32}'",
    f"'{'a' * 32}.dir'",
    "a" * 32 + ".dir",
    "null",
    "Null",
    "true",
    "yes",
    "~",
    "",
    "churn",
    "model",
    "model.pkl",
    "../x",
    "md5",
    "'5'",
    '"5"',
    "2020-01-01T00:03:00Z",
    "'2020-01-01T00:03:00Z'",
    "[",
    "[5]",
    "{a: 5}",
    "&a 5",
    "*a",
    "!!str 5",
    "5 # why",
    "5\n  6",
    "5\n 6",
    "churn\n  b",
    "|\n  size: 5",
    ">\n  5",
    "'5",
    '"\n  size: 5"',
    "5\r",
    "5\u2028",
    "5\nmodel: other",
    "5\nversion: 4",
    "stand-in-of-doctor-000000",
    "917364528000000000",
    "facadefacadefacadefacade00000000",
]


def judged(read: Callable[[bytes, str], Any], data: bytes) -> Any:
    try:
        return read(data, "")
    except InvalidDocument:
        return None


def filled(forms: Forms[Any], data: bytes) -> Any:
    """Return what a form says of a document, as far as doctor reads it; False when it asks."""
    found = forms.read(data)
    if found is None:
        return False
    if isinstance(found.form, str):
        return found.value(found.form)
    said, artifact = found.form, found.form.artifact
    parts = [said.model, said.version, said.created_at, said.created_by]
    parts += [artifact.path, artifact.size, artifact.files, artifact.sha256]
    try:
        return [found.value(part) for part in parts]
    except LookupError:
        return False


def same(forms: Forms[Any], read: Callable[[bytes, str], Any], data: bytes) -> bool:
    """Compare a form with the reader; tell whether the form has an answer at all."""
    said, told = filled(forms, data), judged(read, data)
    if said is False:
        return False
    assert told is not None
    if not isinstance(told, str):
        artifact = told.artifact
        told = [told.model, told.version, told.created_at, told.created_by]
        told += [artifact.path, artifact.size, artifact.files, artifact.sha256]
    assert said == told
    return True


# In how many places a form has an answer; without one nothing is compared.
ANSWERS = {MANIFEST: 272, POINTER: 91}


@pytest.mark.parametrize("text", [MANIFEST, POINTER])
def test_every_value_in_every_place_is_judged_as_by_the_reader(text: str) -> None:
    read: Callable[[bytes, str], Any]
    read = read_manifest if text is MANIFEST else read_dvc_pointer
    forms = Forms(read)
    lines = text.splitlines()
    answers = 0
    for place, line in enumerate(lines):
        key, colon, _ = line.partition(":")
        for value in VALUES:
            changed = [*lines[:place], f"{key}{colon} {value}", *lines[place + 1 :]]
            answers += same(forms, read, ("\n".join(changed) + "\n").encode())
    assert filled(forms, text.encode()) is not False
    assert answers >= ANSWERS[text]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(VALUES)), max_size=4), st.data())
def test_any_document_is_judged_as_by_the_reader(
    changes: list[tuple[int, str]], data: st.DataObject
) -> None:
    lines = MANIFEST.splitlines()
    for number, value in changes:
        place = number % len(lines)
        lines[place] = f"{lines[place].partition(':')[0]}: {value}"
    text = "\n".join(lines)
    cut = data.draw(st.integers(0, len(text)))
    text = (
        text[:cut] + data.draw(st.sampled_from(["", "\n", '"', "'", "{", "\n\n", "|"])) + text[cut:]
    )
    same(Forms(read_manifest), read_manifest, text.encode())


def test_documents_of_one_form_are_parsed_once() -> None:
    parsed = []

    def read(data: bytes, where: str) -> str:
        parsed.append(data)
        return read_dvc_pointer(data, where)

    forms = Forms(read)
    for number in range(9):
        told = POINTER.replace(SUM[:3], f"ab{number}").replace("1080", f"{number + 3}")
        found = forms.read(told.encode())
        assert found is not None
        assert found.value(found.form) == f"ab{number}{SUM[3:32]}.dir"
    assert len(parsed) == 1


def inspection(registry: Registry) -> Inspection:
    return Inspection(
        registry._repository,
        registry.state(),
        registry._history,
        registry._artifacts,
        registry._clone,
    )


def test_what_is_read_of_versions_is_what_they_say(stocked: Path) -> None:
    with Registry(stocked) as registry:
        read = inspection(registry).read
        assert len(read) > 1
        for (model, number), version in read.items():
            told = registry.state().version(model, number)
            assert not isinstance(version, Exception)
            assert version.artifact == told.artifact
            assert version.reference == told.reference
            assert (version.created_at, version.created_by) == (told.created_at, told.created_by)


def test_files_are_read_in_a_few_batches(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Registry(stocked) as registry:
        examined = inspection(registry)
        assert examined.models
        get_many = ObjectReader.get_many

        def refuse(self: ObjectReader, specs: Sequence[str]) -> list[GitObject | None]:
            assert not any("registry/" in spec for spec in specs)
            return get_many(self, specs)

        monkeypatch.setattr(ObjectReader, "get_many", refuse)
        assert examined.read
        for model in examined.models:
            examined.state.pointers(model)


def test_one_file_too_large_is_one_bad_version(stocked: Path) -> None:
    path = "registry/churn/versions/1/manifest.yaml"
    commit(stocked, {path: "# " + "x" * (17 << 20)})
    with Registry(stocked) as registry:
        read = inspection(registry).read
    bad = [pair for pair, version in read.items() if isinstance(version, GitregError)]
    assert bad == [("churn", 1)]
    assert len(read) > 1


def test_a_manifest_of_another_version(stocked: Path) -> None:
    path = "registry/churn/versions/1/manifest.yaml"
    told = git(stocked, "show", "HEAD:registry/churn/versions/2/manifest.yaml")
    commit(stocked, {path: told + "\n"})
    found = findings(stocked)["bad-version"]
    assert found.subject == "churn@1"
    assert found.message == f"{path}: it describes churn@2"
