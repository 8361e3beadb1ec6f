"""Text of this code, which writers of a dossier tell from text of the registry. Pure."""

from __future__ import annotations


class Words(str):
    """Text of this code, in which a pair of backticks marks code."""

    __slots__ = ()


class Mark(Words):
    """A word that says how good or bad something is: ``verified``, ``missing``."""

    __slots__ = ()
