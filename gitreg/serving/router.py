"""`Router`: live models of several references of one model, and the requests shared out among them.

router = Router(
    {"@champion": 0.9, "@challenger": 0.1}, "churn-predictor", "git@example.com:team/churn.git",
    load=joblib_file("model.joblib", trust=True), key=lambda request: request.customer,
    shadow="@candidate",
)
app = FastAPI(lifespan=router.lifespan)
...
answer = router.answer(lambda current: current.model.predict(rows), key=request)
answer.value, answer.version, answer.request_id
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from gitreg.serving import metrics
from gitreg.serving.live import LiveModel
from gitreg.serving.predictions import PredictionLog
from gitreg.serving.split import Key, Split
from gitreg.serving.traffic import Traffic

_T = TypeVar("_T")


class Router(Traffic[_T]):
    """Live models of several references of one model, each with a share of the requests.

    Args:
        shares: see `Traffic`: reference to share, ``{"@champion": 0.9, "@challenger": 0.1}``.
        model: the model's name.
        location: the registry, a URL or a folder.
        load: makes a model of a path, see `gitreg.serving.loaders`.
        key: see `Traffic`.
        shadow: see `Traffic`.
        predictions: see `Traffic`.
        waiting: see `Traffic`.
        **options: of each `LiveModel`: ``check``, ``poll``, ``keep`` and so on.
    """

    def __init__(  # noqa: PLR0913 - keywords, as many as there are to say
        self,
        shares: Mapping[str, float],
        model: str,
        location: str | os.PathLike[str],
        *,
        load: Callable[[Path], _T],
        key: Callable[[Any], Key | None] | None = None,
        shadow: str | None = None,
        predictions: PredictionLog | None = None,
        waiting: int = 64,
        **options: Any,
    ) -> None:
        Split(shares)  # says what is wrong with them before anything is made
        names = dict.fromkeys([*shares, *([shadow] if shadow else [])])
        lives = {
            name: LiveModel(f"{model}{name}", location, load=load, **options) for name in names
        }
        for live in lives.values():
            metrics.show(live)
        super().__init__(
            shares, lives, key=key, shadow=shadow, predictions=predictions, waiting=waiting
        )
