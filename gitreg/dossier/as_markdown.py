"""A dossier as Markdown, in which text from the registry stays text. Pure."""

from __future__ import annotations

from gitreg.core.text import markdown
from gitreg.dossier.collect import Dossier
from gitreg.dossier.document import Block, Command, Source, Table, sections, title_of
from gitreg.dossier.words import Words


def as_markdown(found: Dossier) -> str:
    """Return a dossier as Markdown."""
    parts = [f"# {markdown.escape(title_of(found))}"]
    for section in sections(found):
        parts.append(f'<a id="{section.key}"></a>\n\n## {section.title}')
        parts += map(_block, section.blocks)
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Words):
        return block
    if isinstance(block, Table):
        headers = block.headers or ("", "")
        rows = [list(map(_cell, row)) for row in block.rows]
        if not block.headers:
            rows = [
                [_name(row[0]), *cells[1:]] for row, cells in zip(block.rows, rows, strict=True)
            ]
        return markdown.table(headers, rows)
    if isinstance(block, Source):
        return markdown.fenced(block.text, block.language)
    assert isinstance(block, Command)
    return f"**Verify.** {block.what}\n\n{markdown.fenced(block.shell, 'sh')}"


def _name(text: str) -> str:
    return _cell(text) if isinstance(text, Words) else markdown.escape(text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|") if isinstance(text, Words) else markdown.code(text)
