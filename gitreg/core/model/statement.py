"""``reproductions/ID.json``: a statement that somebody made a version again, and what came out.

Its form is that of in-toto (https://in-toto.io/Statement/v1), so that other tools read it. The file
is named after its own digest: it can neither be changed nor be there twice. A signature of the file
may lie beside it.

>>> made = Statement("churn@5", "9f" * 32, "identical", {"command": "python train.py"})
>>> data = write_statement(made)
>>> read_statement(data, f"{statement_id(data)}.json") == made
True
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from gitreg.core.documents import yaml
from gitreg.core.documents.fields import Fields
from gitreg.core.documents.yaml import Value
from gitreg.core.model.manifest import SHA256
from gitreg.errors import InvalidDocument, InvalidRequest

TYPE = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:gitreg:reproduction:1"

VERDICTS = ("identical", "equivalent", "different")
"""What a statement may say, from the best to the worst; an inconclusive one says nothing."""

_ID = 32


@dataclass(frozen=True)
class Statement:
    """What somebody says of a reproduction.

    Attributes:
        subject: the version's name then, ``churn-predictor@5``; a model may be renamed since.
        sha256: of the version's bytes.
        verdict: one of `VERDICTS`.
        facts: by whom, when, from which code, data and environment, and what was compared.
    """

    subject: str
    sha256: str
    verdict: str
    facts: Mapping[str, Value] = field(default_factory=dict)


def statement_id(data: bytes) -> str:
    """Return the name of a statement's file, without its extension: 32 hex digits."""
    return hashlib.sha256(data).hexdigest()[:_ID]


def write_statement(statement: Statement) -> bytes:
    """Return the file of a statement.

    Raises:
        InvalidRequest: a value breaks a rule, or the file would be too large.
    """
    document = {
        "_type": TYPE,
        "subject": [{"name": statement.subject, "digest": {"sha256": statement.sha256}}],
        "predicateType": PREDICATE,
        "predicate": {"verdict": statement.verdict, **statement.facts},
    }
    data = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    try:
        read_statement(data, f"{statement_id(data)}.json")
    except InvalidDocument as error:
        raise InvalidRequest(f"this cannot be written: {error}") from None
    return data


@lru_cache(maxsize=4096)
def read_statement(data: bytes, where: str) -> Statement:
    """Return the statement in a file. JSON is YAML, and is read by the same strict rules.

    Raises:
        InvalidDocument: the document breaks a rule, or the file has not its own name.
    """
    fields = Fields(yaml.parse(data, where), where)
    fields.only(("_type", "subject", "predicateType", "predicate"))
    for key, wanted in (("_type", TYPE), ("predicateType", PREDICATE)):
        if not fields.is_text(key, wanted):
            fields.fail(key, f"expected {wanted}")
    subjects = fields.entries("subject")
    if len(subjects) != 1:
        fields.fail("subject", "expected exactly one")
    digest = subjects[0].only(("name", "digest")).fields_of("digest").only(("sha256",))
    facts = dict(fields.mapping("predicate"))
    predicate = fields.fields_of("predicate")
    verdict = predicate.one_of("verdict", VERDICTS, "a verdict", predicate.text("verdict"))
    del facts["verdict"]
    if where.rpartition("/")[2] != f"{statement_id(data)}.json":
        raise InvalidDocument(f"{where}: its content belongs into {statement_id(data)}.json")
    return Statement(
        subjects[0].text("name"),
        digest.matching("sha256", SHA256, "64 lower-case hex digits"),
        verdict,
        facts,
    )


def read_statement_of(data: bytes, where: str, sha256: str) -> Statement:
    """Return the statement in a version's folder.

    Raises:
        InvalidDocument: see `read_statement`; or it is about other bytes than the version's.
    """
    found = read_statement(data, where)
    if found.sha256 != sha256:
        raise InvalidDocument(f"{where}: subject: it is about other bytes than this version's")
    return found
