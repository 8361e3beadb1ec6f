"""Characters that change how a terminal or a diff shows a text without being seen."""

from __future__ import annotations

import unicodedata

# Cc control, Cf format (bidirectional overrides), Cs surrogate, Zl and Zp line breaks: they
# change how a terminal or a diff shows a name, so that it can pass for another one.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def has_invisible(text: str) -> bool:
    """Tell whether ``text`` has control, format, surrogate or line-separator characters."""
    return any(unicodedata.category(char) in _INVISIBLE for char in text)
