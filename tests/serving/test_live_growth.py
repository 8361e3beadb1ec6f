"""Nothing grows over many swaps: neither file handles, nor models, nor threads, nor memory."""

from __future__ import annotations

import gc
import resource
import threading
import weakref
from pathlib import Path

from tests.serving.made import Loader, Model, live_model, move
from tests.support.extent import extent

SWAPS = extent(10, 200)


def handles() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_nothing_grows_over_many_swaps(served: Path) -> None:
    alive: weakref.WeakSet[Model] = weakref.WeakSet()
    load = Loader()

    def loaded(path: Path) -> Model:
        made = load(path)
        alive.add(made)
        return made

    with live_model(served, loaded) as live:
        for version in (3, 2):  # what is imported and opened once
            move(served, version)
            live.refresh()
        gc.collect()
        gc.disable()  # what reference counts do not free would wait for a collection
        try:
            opened, threads, objects = handles(), threading.active_count(), len(gc.get_objects())
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for swap in range(SWAPS):
                move(served, 3 - swap % 2)
                assert live.refresh().failed is None
                assert len(alive) == 1
                assert threading.active_count() == threads
                gc.collect()  # the rest may wait for one, as in any process
        finally:
            gc.enable()
        gc.collect()
        assert live.status().swaps == SWAPS + 3
        assert handles() <= opened
        assert len(gc.get_objects()) - objects < 100 * SWAPS
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < most * 1.5
