"""Numbers with their nouns.

>>> quantity(1, "file"), quantity(2, "commit")
('1 file', '2 commits')
"""


def quantity(number: int, what: str) -> str:
    """Return a number and its noun, as ``1 file`` or ``2 files``."""
    return f"{number} {what}" + ("" if number == 1 else "s")
