"""Papers about a model, for people who did not make it: its card, and a dossier for an auditor.

=========  ==========================================================================
`card`     what people say of a model, and what the registry knows, in one document
=========  ==========================================================================
"""

from gitreg.dossier.card import card_text

__all__ = ["card_text"]
