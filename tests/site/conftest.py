"""Two sites, built once, and one browser for all tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gitreg import Registry
from gitreg.site import build
from tests.conftest import isolate
from tests.site import made
from tests.support.servers.browser import chromium

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


@pytest.fixture(scope="session")
def clones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clones ``rich/work`` and ``hostile/work``."""
    base = tmp_path_factory.mktemp("clones")
    for make in (made.rich, made.hostile):
        with pytest.MonkeyPatch.context() as patch:
            isolate(patch, tmp_path_factory.mktemp("site-home"))
            (base / make.__name__).mkdir()
            make(base / make.__name__, patch)
    return base


@pytest.fixture(scope="session")
def sites(clones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sites ``rich`` and ``hostile``."""
    folder = tmp_path_factory.mktemp("sites")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("build-home"))
        for name in ("rich", "hostile"):
            with Registry(clones / name / "work") as registry:
                build(registry, folder / name)
    return folder


@pytest.fixture
def clone(clones: Path, tmp_path: Path) -> Path:
    """A clone of its own, for a test that changes it."""
    return Path(shutil.copytree(clones / "rich" / "work", tmp_path / "clone", symlinks=True))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One browser for all pages."""
    with chromium(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def screen(browser: Chrome) -> Any:
    """Sets the size and the colour scheme; the usual ones come back."""

    def set_to(width: int, scheme: str = "light") -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    yield set_to
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
