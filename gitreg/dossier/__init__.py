"""Papers about a model, for people who did not make it: its card, and a dossier for an auditor.

=============== ================================================================================
`card`          what people say of a model, and what the registry knows, in one document
`collect`       `Dossier`: everything that the repository proves about one version, as a value
`verification`  the commands that verify a dossier with Git, DVC and OpenSSH alone
`frameworks`    what it has for the EU AI Act's Annex IV and for ISO/IEC 42001, and what it lacks
`document`      a dossier as sections of text, tables and commands
`as_markdown`   the sections as Markdown; `as_html` as a page; `as_json` the value as JSON
=============== ================================================================================
"""

from gitreg.dossier.card import card_text
from gitreg.dossier.collect import Dossier, dossier

__all__ = ["Dossier", "card_text", "dossier"]
