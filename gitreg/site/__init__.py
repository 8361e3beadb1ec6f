"""The registry as a static site: pages that CI builds, a host serves and a browser reads from disk.

The pages are computed from values, the values from one pass over the registry, its history and its
policy. The same commit gives the same bytes: no page has a clock, a path of this machine or an
address that is not relative. What a registry says is text in them, never markup.

===========  ==========================================================================
`values`     what pages show, as frozen values
`reading`    reads a registry into these values
`seen`       a model's values from what was read: what stands where, what wants attention
`records`    versions and events as data for scripts: details, comparisons, plots, audit
`chart`      the intervals of stages and aliases as a picture
`texts`      text and Markdown from a registry as harmless text and HTML
`rules`      the policy in words, and how it changed
`finding`    the index that the search page reads
`pages`      renders values with the templates in ``pages/``
`folders`    the folders of some models, read level by level
`output`     the folder: writes what changed, and deletes only what it wrote
`building`   builds a site; `build` is its function
`catalogue`  builds one site of several registries; `build_catalogue` is its function
`serving`    serves a site on this machine, and builds it when the branch moves
===========  ==========================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitreg.site.building import build
    from gitreg.site.catalogue import build_catalogue

__all__ = ["build", "build_catalogue"]


def __getattr__(name: str) -> object:
    if name == "build":
        from gitreg.site.building import build

        return build
    if name == "build_catalogue":
        from gitreg.site.catalogue import build_catalogue

        return build_catalogue
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
