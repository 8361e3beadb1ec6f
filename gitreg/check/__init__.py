"""Check: every commit of a range judged against each of its parents, under its base's policy."""

from __future__ import annotations

from gitreg.check.finding import CheckFinding
from gitreg.check.ranges import CheckOptions, CheckReport, check_range

__all__ = ["CheckFinding", "CheckOptions", "CheckReport", "check_range"]
