"""The pure core: what a registry is and how it changes, without Git, DVC, disk or clock."""

from types import ModuleType


def __getattr__(name: str) -> ModuleType:
    # An annotation such as `core.policy.Policy` costs the import only if somebody evaluates it.
    if name != "policy":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return import_module(f"{__name__}.policy")
