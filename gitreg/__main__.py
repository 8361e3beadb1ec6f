"""``python -m gitreg``."""

from gitreg.cli import main

main()
