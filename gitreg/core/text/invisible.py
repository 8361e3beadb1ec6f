"""Characters that change how a terminal or a diff shows a text without being seen."""

from __future__ import annotations

import unicodedata

# Cc control, Cf format (bidirectional overrides), Cs surrogate, Zl and Zp line breaks: they
# change how a terminal or a diff shows a name, so that it can pass for another one.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def has_invisible(text: str) -> bool:
    """Tell whether ``text`` has control, format, surrogate or line-separator characters."""
    return any(unicodedata.category(char) in _INVISIBLE for char in text)


def escaped(text: str, keep: str = "") -> str:
    r"""Return ``text`` with its invisible characters written out, except those in ``keep``.

    >>> escaped("a\u202eb\n", keep="\n")
    'a\\u202eb\n'
    """
    return "".join(
        ascii(char)[1:-1] if has_invisible(char) and char not in keep else char for char in text
    )
