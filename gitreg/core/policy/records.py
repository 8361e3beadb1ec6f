"""Gates on what people added after a registration: reproductions by others, the model's card.

>>> str(Reproduced("identical", OTHER))
"somebody else's reproduction of it is identical"
"""

from __future__ import annotations

from dataclasses import dataclass

from gitreg.core.model.keys import email_of
from gitreg.core.model.names import fold
from gitreg.core.model.statement import VERDICTS
from gitreg.core.policy import verdict as codes
from gitreg.core.policy.verdict import Case, Verdict
from gitreg.errors import InvalidDocument

OTHER, ANY = "other", "any"
"""Who has to have reproduced a version: not the person who registered it, or any signer."""


@dataclass(frozen=True)
class Reproduced:
    """A signed statement says that the version was made again.

    Attributes:
        verdict: the worst that passes; an identical one is equivalent, too.
        by: `OTHER` or `ANY`.
    """

    verdict: str
    by: str = OTHER

    def __str__(self) -> str:
        whose = "somebody else's" if self.by == OTHER else "a signer's"
        return f"{whose} reproduction of it is {self.verdict}"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the statements whose signatures verify."""
        wanted = VERDICTS[: VERDICTS.index(self.verdict) + 1]
        own = fold(email_of(case.candidate.created_by))
        told = [
            (who, verdict)
            for who, verdict in case.facts.reproductions(case.candidate)
            if self.by == ANY or fold(who) != own
        ]
        good = [f"{verdict} by {who}" for who, verdict in told if verdict in wanted]
        if good:
            return Verdict(codes.REPRODUCED, passed=True, line=", ".join(dict.fromkeys(good)))
        name = case.candidate.reference
        others = ", ".join(dict.fromkeys(f"{verdict} by {who}" for who, verdict in told))
        line = f"no {self.verdict} reproduction of {name} is signed by "
        line += "somebody else" if self.by == OTHER else "a signer"
        line += f" ({others})" if others else f": gitreg reproduce {name} --record"
        return Verdict(codes.REPRODUCED, passed=False, line=line)


@dataclass(frozen=True)
class CardSays:
    """The model's card says something under each of these keys."""

    keys: tuple[str, ...]

    def __str__(self) -> str:
        return f"the model's card says {', '.join(self.keys)}"

    def judge(self, case: Case) -> Verdict:
        """Return the verdict on the card beside the model."""
        model = case.candidate.model
        try:
            card = case.card()
        except InvalidDocument as error:
            return Verdict(codes.CARD, passed=False, line=str(error))
        if card is None:
            line = f"{model} has no card: gitreg card {model} --init"
            return Verdict(codes.CARD, passed=False, line=line)
        silent = [key for key in self.keys if card.says(key) is None]
        if silent:
            line = f"the card of {model} says nothing of {', '.join(silent)}"
            return Verdict(codes.CARD, passed=False, line=line)
        return Verdict(codes.CARD, passed=True, line=f"it says {', '.join(self.keys)}")
