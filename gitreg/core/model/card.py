"""``CARD.md``: what people say of a model, and review: what it is for, and what it is not for.

The form is that of Hugging Face's model cards: Markdown below YAML front matter. gitreg asks for
some keys and headings; whatever else a card has is kept as it is.

>>> text = b"---\\nlicense: mit\\n---\\n# churn\\n\\n## Limitations\\n\\nOne country.\\n"
>>> card = read_card(text, "CARD.md")
>>> card.says("license"), card.says("limitations"), card.says("intended_use")
('mit', 'One country.', None)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from gitreg.core.documents import yaml
from gitreg.core.documents.yaml import Value
from gitreg.errors import InvalidDocument

SIZE_LIMIT = 256 * 1024
"""The largest card, in bytes."""

SECTIONS = {
    "intended_use": ("Intended use", "What decisions does it support, and how?"),
    "users": ("Users", "Who uses it, and who is affected by what it says?"),
    "out_of_scope": ("Out-of-scope use", "What must it not be used for?"),
    "limitations": ("Limitations", "Where is it known to be wrong, or untested?"),
    "data_provenance": ("Data provenance", "Where does the data come from, and by what right?"),
    "sensitive_data": ("Sensitive data", "Which personal or protected data does it see?"),
    "human_oversight": ("Human oversight", "Who can stop it, and how do they notice?"),
}
"""The headings that people fill, by the keys under which a policy asks for them."""

FRONT = {
    "license": "an SPDX identifier, such as apache-2.0 or other",
    "base_model": "what it was fine-tuned from, if anything",
    "risk_rating": "minimal, limited or high, in the words of your process",
}
"""The keys of the front matter that people fill."""

KEYS = (*SECTIONS, *FRONT)
"""What a policy may ask for."""

_FRONT = re.compile(rb"---[ \t]*\r?\n(?P<front>.*?)(?:^|\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?(?:^\1|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Card:
    """A model's card.

    Attributes:
        front: the front matter.
        sections: key of `SECTIONS` to the text below its heading, without comments.
        body: the Markdown below the front matter, as it is.
    """

    front: Mapping[str, Value] = field(default_factory=dict)
    sections: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def says(self, key: str) -> str | None:
        """Return what the card says under one of `KEYS`; ``None`` where it says nothing."""
        if key in SECTIONS:
            return self.sections.get(key) or None
        value = self.front.get(key)
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        return str(text).strip() or None if text is not None else None

    @property
    def summary(self) -> str | None:
        """The first line of text, for a list of models."""
        text = _COMMENT.sub("", self.body)
        lines = (line.strip() for line in text.splitlines())
        return next((line for line in lines if line and not line.startswith("#")), None)


@lru_cache(maxsize=256)
def read_card(data: bytes, where: str) -> Card:
    """Return the card in a file.

    Raises:
        InvalidDocument: it is too large or no UTF-8, or its front matter does not parse.
    """
    if len(data) > SIZE_LIMIT:
        raise InvalidDocument(f"{where}: more than {SIZE_LIMIT // 1024} KiB")
    match = _FRONT.match(data)
    front = yaml.parse(match["front"], where) if match and match["front"].strip() else {}
    try:
        body = data[match.end() if match else 0 :].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidDocument(f"{where}: not UTF-8 text") from None
    return Card(front, _sections(body.replace("\r\n", "\n")), body)


def _sections(body: str) -> dict[str, str]:
    # Neither a comment nor an example of code is a heading; blanks keep every place where it is.
    text = _COMMENT.sub(lambda match: " " * len(match[0]), body)
    marks = _FENCE.sub(lambda match: " " * len(match[0]), text)
    headings = list(_HEADING.finditer(marks))
    ends = [*(heading.start() for heading in headings), len(text)][1:]
    names = {title.casefold(): key for key, (title, _) in SECTIONS.items()}
    found: dict[str, str] = {}
    for heading, end in zip(headings, ends, strict=True):
        key = names.get(heading[1].strip().casefold())
        said = text[heading.end() : end].strip()
        if key is not None and said:
            found.setdefault(key, said)
    return found


def skeleton(model: str) -> bytes:
    """Return a card to fill in, in which nothing is said yet."""
    front = "".join(f"{key}:  # {words}\n" for key, words in FRONT.items())
    sections = "".join(f"\n## {title}\n\n<!-- {ask} -->\n" for title, ask in SECTIONS.values())
    head = f"# {model}\n\n<!-- One sentence: what it predicts, for whom. -->\n"
    return f"---\n{front}---\n\n{head}{sections}".encode()
