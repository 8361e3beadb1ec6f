"""Text that every room needs.

===============  ==========================================================
`filter`         the grammar of searches
`filter_fields`  what a search can ask for, and how its values are written
`invisible`      characters that a terminal or a diff does not show
`markdown`       Markdown in which text from outside stays text
`suggest`        the nearest names, for a hint
`times`          moments as people type them, ages in words
`urls`           addresses: their parts, and how to hide their credentials
===============  ==========================================================
"""
