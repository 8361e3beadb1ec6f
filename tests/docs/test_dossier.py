"""The dossier in the docs is what is written: ``python -m tests.docs.test_dossier`` renews it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.docs.test_screens import steady
from tests.dossier.made import make
from tests.support.commands import gitreg

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "dossier.md"
_IS_RENEWED = "GITREG_WRITE_DOSSIER" in os.environ  # a test has no variables of gitreg's
_GENERATED = re.compile(r"(?<=<!-- written -->\n).*", re.DOTALL)
_SUBSTITUTES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"\b[0-9a-f]{32,64}\b", lambda match: ("4f2c1a9d0b" * 7)[: len(match[0])]),
    (r"SHA256(:|&#58;)[^<\s]{43,}", lambda match: f"SHA256{match[1]}{'k' * 43}"),
    (r"AAAA[A-Za-z0-9+/]{60,}", lambda _: _KEY),
    (r"\d\d&#58;\d\d&#58;\d\dZ", lambda _: "14&#58;37&#58;00Z"),
    (r"> \d{10}\b", lambda _: "> 1796049420"),
    (r"(?<=\| package \| version \|\n\| --- \| --- \|\n)(\|.*\n)+", lambda _: _PACKAGE),
    (r"(?<=<code>Python</code> \| <code>)[^<]+", lambda _: "3.12.1"),
    (r"(?<=Python \| <code>)[^<]+", lambda _: "3.12.1"),
    (r"(?<=platform \| <code>)[^<]+", lambda _: "linux-x86_64"),
)
_PACKAGE = "| <code>scikit-learn</code> | <code>1.7.2</code> |\n"


_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIGXvTu4XyMSKL+hzimVyyeWprt4GYphb6WqaGTOKHcg2"
_CARD = """---
license: mit
risk_rating: minimal
---
# churn

## Intended use

Who leaves us next month, so that somebody calls them.

## Limitations

Trained on one country.
"""


def _page(text: str) -> str:
    """Return a dossier below the title of the page, without what differs from run to run."""
    for pattern, steadied in _SUBSTITUTES:
        text = re.sub(pattern, steadied, text)
    return "\n" + re.sub(r"^(#+ )", r"#\1", steady(text), flags=re.MULTILINE)


def test_the_dossier_is_what_is_written(stocked: Path) -> None:
    make(stocked, _CARD)
    page = _page(gitreg("dossier", "churn/production", "--repo", str(stocked)).out)
    if _IS_RENEWED:
        PAGE.write_text(_GENERATED.sub(lambda _: page, PAGE.read_text()))
    found = _GENERATED.search(PAGE.read_text())
    assert found is not None
    assert found[0] == page


if __name__ == "__main__":
    run = [sys.executable, "-m", "pytest", "-n0", "-q", __file__]
    variables = {**os.environ, "GITREG_WRITE_DOSSIER": "1"}
    sys.exit(subprocess.run(run, env=variables, check=False).returncode)
