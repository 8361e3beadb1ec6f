"""Fair comparison: versions measured by one command on the same bytes of data.

==========  ====================================================================
`running`   pulls each version, runs the command on it, and reads what it wrote
==========  ====================================================================

The numbers are committed by `gitreg.registry.Registry.add_evaluations`; gates compare them
(`gitreg.core.policy.measured`).
"""

from gitreg.evaluation.running import Evaluating, evaluate

__all__ = ["Evaluating", "evaluate"]
