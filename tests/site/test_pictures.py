"""The pictures in README and docs: pages of the registry that the tests of pages make.

``python -m tests.site.test_pictures`` takes them anew.
"""

from __future__ import annotations

import base64
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitreg import Registry
from gitreg.site import build
from tests.conftest import isolate
from tests.site import made
from tests.support.servers.browser import chromium

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "images"
PAGES = {
    "site-overview.png": ("index.html", 760),
    "site-model.png": ("models/churn-predictor/index.html", 1200),
}
WIDTH = 1200
MOST = 150_000


def take(browser: Chrome, site: Path, folder: Path) -> None:
    """Write the pictures of a site's pages into a folder."""
    try:
        browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        for name, (page, height) in PAGES.items():
            size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            browser.get((site / page).as_uri())
            found = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
            (folder / name).write_bytes(base64.b64decode(found["data"]))
    finally:
        browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": False})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def size_of(picture: Path) -> tuple[int, int]:
    """Return the width and height of a PNG file."""
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_pictures_are_taken(browser: Chrome, sites: Path, tmp_path: Path) -> None:
    take(browser, sites / "rich", tmp_path)
    for name, (_, height) in PAGES.items():
        assert size_of(tmp_path / name) == (WIDTH, height)
        assert (tmp_path / name).stat().st_size < MOST


def test_this_repository_s_registry_has_pages(tmp_path: Path) -> None:
    """`make site` builds them."""
    with Registry(ROOT) as registry:
        assert build(registry, tmp_path / "site").models == 1


@pytest.mark.parametrize("name", PAGES)
def test_the_pictures_are_small_and_shown(name: str) -> None:
    assert size_of(PICTURES / name) == (WIDTH, PAGES[name][1])
    assert (PICTURES / name).stat().st_size < MOST
    assert f"(../images/{name})" in (ROOT / "docs/guides/site.md").read_text()
    assert "(docs/images/site-overview.png)" in (ROOT / "README.md").read_text()


def main() -> None:
    """Take the pictures anew."""
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        base = Path(name)
        isolate(patch, base)
        made.rich(base, patch)
        with Registry(base / "work") as registry:
            build(registry, base / "site")
        with chromium(base / "profile") as browser:
            take(browser, base / "site", PICTURES)


if __name__ == "__main__":
    main()
