"""Prometheus metrics of all live models of a process, read from their status when scraped."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from gitreg.serving.live import LiveModel
    from gitreg.serving.status import LiveStatus

_LABELS = ("model", "reference", "name")


class _Collector(Collector):
    def __init__(self) -> None:
        self.lives: weakref.WeakSet[LiveModel[Any]] = weakref.WeakSet()

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering reads no status."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all live models; of two with the same labels, one that serves."""
        found: dict[tuple[str, str, str], LiveStatus] = {}
        for live in tuple(self.lives):
            status = live.status()
            labels = (status.model, status.reference, status.name)
            if labels not in found or status.serving is not None:
                found[labels] = status
        for make, name, text, value in _METRICS:
            family = make(name, text, labels=_LABELS)
            for labels, status in found.items():
                family.add_metric(labels, value(status))
            yield family


def _seconds(utc: str | None) -> float:
    return 0.0 if utc is None else datetime.fromisoformat(utc.replace("Z", "+00:00")).timestamp()


def _serving(status: LiveStatus) -> float:
    return 0 if status.serving is None else status.serving.version


def _since(status: LiveStatus) -> float:
    return _seconds(None if status.serving is None else status.serving.since)


def _failed(status: LiveStatus) -> float:
    return 0 if status.failed is None else (status.failed.version or -1)


def _failed_since(status: LiveStatus) -> float:
    return _seconds(None if status.failed is None else status.failed.since)


_METRICS = (
    (GaugeMetricFamily, "gitreg_version", "The version that serves; 0 for none.", _serving),
    (GaugeMetricFamily, "gitreg_since_seconds", "When it came into service.", _since),
    (
        GaugeMetricFamily,
        "gitreg_failed_version",
        "The version that is named and cannot serve; 0 for none, -1 if no version is named.",
        _failed,
    ),
    (GaugeMetricFamily, "gitreg_failed_since_seconds", "Since when; 0 for never.", _failed_since),
    (
        GaugeMetricFamily,
        "gitreg_checked_seconds",
        "When the registry last answered.",
        lambda status: _seconds(status.checked_at),
    ),
    (
        GaugeMetricFamily,
        "gitreg_away_since_seconds",
        "Since when the registry does not answer; 0 while it does.",
        lambda status: _seconds(status.away_since),
    ),
    (
        CounterMetricFamily,
        "gitreg_swaps",
        "Versions that came into service in this process.",
        lambda status: status.swaps,
    ),
    (
        CounterMetricFamily,
        "gitreg_refusals",
        "How often a version, or the reference, failed in this process.",
        lambda status: status.failures,
    ),
)

_collector: list[_Collector] = []


def show(live: LiveModel[Any]) -> None:
    """Have a live model's metrics in the process's registry."""
    if not _collector:
        _collector.append(_Collector())
        REGISTRY.register(_collector[0])
    _collector[0].lives.add(live)
