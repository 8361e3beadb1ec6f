"""A workload in Kubernetes: annotated, restarted and waited for, by `kubectl`."""

from __future__ import annotations

import re

from gitreg.errors import InvalidRequest
from gitreg.watch.targets.programs import installed, run
from gitreg.watch.targets.target import Notice

_WORKLOAD = re.compile(r"(deployment|statefulset|daemonset)s?/[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")

_PATIENCE = "--request-timeout=60s"
"""Kubectl waits for ever by default. Not for the rollout: it would end its watch."""


class Kubernetes:
    """Restarts a workload whose pods load the version when they start.

    1. Annotate it with model, version, commit and digest. Kubernetes copies the annotations to the
       new revision, so that ``kubectl rollout history`` tells which version each one served.
    2. Restart it.
    3. Wait until the new pods are ready.

    A reference that names no version any more changes nothing: new pods could not start.

    Args:
        workload: such as ``deployment/churn-api``.
        namespace: its namespace; by default that of kubectl's context.

    Raises:
        InvalidRequest: the workload or the namespace is malformed, or there is no kubectl.
    """

    name = "kubernetes"

    def __init__(self, workload: str, namespace: str | None = None) -> None:
        if not _WORKLOAD.fullmatch(workload):
            raise InvalidRequest(
                f"{workload!a} is no workload that can be restarted",
                hint="deployment/NAME, statefulset/NAME or daemonset/NAME",
            )
        if namespace is not None and not _NAMESPACE.fullmatch(namespace):
            raise InvalidRequest(f"{namespace!a} is no namespace")
        self._kubectl = [installed("kubectl")]
        self._kubectl += [] if namespace is None else [f"--namespace={namespace}"]
        self._workload = workload

    def __call__(self, notice: Notice) -> None:
        """Restart the workload and wait until it is ready; see the class."""
        move = notice.move
        if move.version is None:
            notice.say(f"{self._workload} is left as it is: {move.reference} names no version")
            return
        known = {
            "kubernetes.io/change-cause": f"gitreg: {move.reference} is {move.names}",
            "gitreg/model": move.model,
            "gitreg/version": str(move.version),
            "gitreg/commit": move.commit,
            "gitreg/sha256": move.sha256 or "",
            "gitreg/reference": move.reference,
        }
        pairs = [f"{key}={value}" for key, value in known.items()]
        brief = [*self._kubectl, _PATIENCE]
        run([*brief, "annotate", "--overwrite", self._workload, *pairs], notice)  # 1
        run([*brief, "rollout", "restart", self._workload], notice)  # 2
        wait = f"--timeout={notice.timeout:.0f}s"
        run([*self._kubectl, "rollout", "status", wait, self._workload], notice)  # 3
