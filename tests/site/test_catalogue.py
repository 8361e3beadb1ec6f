"""A site of several registries: one page over all, and what becomes of one that is not reached."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.common.by import By

from gitreg import InvalidRequest, Registry, WorldError
from gitreg.errors import InvalidDocument
from gitreg.site import build, build_catalogue
from gitreg.site.catalogue import Source, read_sources, source_of
from gitreg.site.output import MANIFEST
from tests.conftest import git
from tests.site.made import HOSTILE
from tests.site.test_building import files
from tests.site.test_pages import AXE, complaints, texts, wait
from tests.support.commands import error, gitreg

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

SECRET = "s3cret-t0ken"
NAME = f"{HOSTILE} ../\u202e</script>"
GONE = f"http://ada:{SECRET}@127.0.0.1:9/team/gone.git?token={SECRET}"


@pytest.mark.parametrize(
    ("text", "name", "location"),
    [
        (GONE, "team/gone", GONE),
        ("git@example.com:team/risk.git", "team/risk", "git@example.com:team/risk.git"),
        ("Risk=git@example.com:x", "Risk", "git@example.com:x"),
        ("https://example.com/a?x=1", "a", "https://example.com/a?x=1"),
        ("work", "work", "/base/work"),
        ("./a=b", "a=b", "/base/a=b"),
        ("/srv/models.git/", "models", "/srv/models.git/"),
        ("file:///srv/models.git", "models", "file:///srv/models.git"),
    ],
)
def test_a_registry_has_a_name_without_credentials(text: str, name: str, location: str) -> None:
    found = source_of(text, Path("/base"))
    assert (found.name, Path(found.location)) == (name, Path(location))
    assert SECRET not in found.folder


def test_a_name_is_one_folder_of_the_site() -> None:
    long = [Source(f"{'é' * 300}{end}", "x").folder for end in "ab"]
    assert len(set(long)) == 2
    for folder in (*long, Source("..", "x").folder, Source(NAME, "x").folder):
        assert folder.startswith("registries/")
        assert folder.count("/") == 1
        assert len(folder) < 255
        assert not folder.endswith("..")


def test_a_file_lists_registries(tmp_path: Path) -> None:
    file = tmp_path / "registries.txt"
    file.write_text("\ufeff# all of ours\n\n  churn\r\nRisk = https://example.com/risk.git\n")
    found = read_sources(file)
    assert [(one.name, one.location) for one in found] == [
        ("churn", str(tmp_path / "churn")),
        ("Risk", "https://example.com/risk.git"),
    ]
    for content, why in ((b"# none\n", "lists no registry"), (b"\xff", "is not UTF-8")):
        file.write_bytes(content)
        with pytest.raises(InvalidDocument, match=why):
            read_sources(file)
    with pytest.raises(InvalidDocument, match="No such file"):
        read_sources(tmp_path / "none")
    with pytest.raises(InvalidRequest, match="names no registry"):
        source_of("Risk=")


def test_two_registries_of_one_name_are_refused(tmp_path: Path) -> None:
    two = [source_of("/a/models"), source_of("https://example.com/Models.git")]
    with pytest.raises(InvalidRequest, match="two registries are called"):
        build_catalogue(two, tmp_path / "site")
    assert not (tmp_path / "site").exists()


@pytest.fixture
def sources(clones: Path, clone: Path) -> list[Source]:
    """A registry, a hostile one with a hostile name, and one that nobody reaches."""
    return [Source("acme", str(clone)), Source(NAME, str(clones / "hostile/work")), source_of(GONE)]


def test_one_page_shows_all_and_the_bytes_are_the_same(
    sources: list[Source], tmp_path: Path
) -> None:
    said: list[str] = []
    first = build_catalogue(sources, tmp_path / "site", tell=said.append)
    assert sorted(said) == sorted(one.name for one in sources)
    assert (first.models, [one.name for one in first.members]) == (4, said)
    assert list(first.missed) == ["team/gone"]
    build_catalogue(sources[::-1], tmp_path / "anew")
    found = files(tmp_path / "site")
    assert found == files(tmp_path / "anew")
    for path, content in found.items():
        assert SECRET.encode() not in content, path
        assert str(tmp_path).encode() not in content, path
    page = found["index.html"].decode()
    assert page.count("Could not be reached") == 1
    assert "it has no pages yet" in page
    again = build_catalogue(sources, tmp_path / "site")
    assert (again.counts.written, again.counts.models) == (0, 0)
    assert again.counts.kept == first.counts.written


def test_what_is_not_reached_keeps_its_pages_with_their_age(
    sources: list[Source], clone: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "risk.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(clone), str(bare))
    by_url = Source("risk", bare.as_uri())
    site = tmp_path / "site"
    assert build_catalogue([*sources[:2], by_url], site).missed == {}
    before = files(site)
    with Registry(clone) as registry:
        registry.promote("tokenizer@1", stage="staging")
    shutil.move(clone, tmp_path / "away")
    shutil.move(bare, tmp_path / "away.git")
    found = build_catalogue([*sources[:2], by_url], site)
    assert found.missed.keys() == {"acme", "risk"}
    assert "answering from a copy of" in found.missed["risk"]
    after = files(site)
    assert {path for path in after if after[path] != before.get(path)} == {"index.html", MANIFEST}
    page = after["index.html"].decode()
    assert page.count("these pages show its commit of") == 2
    shutil.move(tmp_path / "away", clone)
    assert build_catalogue(sources[:1], site).missed == {}
    assert {path.name for path in (site / "registries").iterdir()} == {"acme"}
    assert "staging" in (site / "index.html").read_text()


def test_a_folder_changes_between_one_registry_and_several(
    sources: list[Source], clone: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    with Registry(clone) as registry:
        build(registry, site)
        alone = files(site)
        build_catalogue(sources[:1], site)
        assert not (site / "models").exists()
        build(registry, site)
    assert files(site) == alone
    assert not (site / "registries").exists()
    outside = tmp_path / "outside"
    outside.mkdir()
    (site / "registries").symlink_to(outside)
    with pytest.raises(WorldError, match="is a symbolic link"):
        build_catalogue(sources[:1], site)
    assert files(outside) == {}


def test_the_command_builds_several_and_says_which_were_not_reached(
    clone: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "all.txt"
    listed.write_text(f"{GONE}\n")
    where = ("--registry", f"acme={clone}", "-o", str(tmp_path / "site"))
    assert "3 models of 1 registry, " in gitreg("site", "build", *where).out
    done = gitreg("site", "build", *where, "--registries", str(listed), code=3)
    assert "3 models of 2 registries, " in done.out
    assert "team/gone: http://127.0.0.1:9/team/gone.git" in done.err
    assert "1 of 2 registries could not be reached" in done.err
    assert SECRET not in done.out + done.err
    refused = error("site", "build", *where, "--repo", str(clone))
    assert "name each registry with --registry" in refused


def test_the_page_in_a_browser(
    browser: Chrome, sources: list[Source], tmp_path: Path, screen: Callable[..., None]
) -> None:
    build_catalogue(sources, tmp_path / "site")
    complaints(browser)
    start = (tmp_path / "site/index.html").as_uri()
    for width, scheme in ((390, "dark"), (1280, "light")):
        screen(width, scheme)
        browser.get(start)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        browser.execute_script(AXE.read_text())
        run = (
            "const d = arguments[0]; axe.run(document, {preload: false}).then(r => d(r.violations))"
        )
        assert [one["id"] for one in browser.execute_async_script(run)] == []
    strange = "main script, main img, main iframe, main style, [onclick], [onerror], [onload]"
    assert browser.find_elements(By.CSS_SELECTOR, strange) == []
    assert HOSTILE in browser.find_element(By.ID, "members").text
    assert "\u202e" not in browser.find_element(By.TAG_NAME, "body").text
    browser.find_element(By.CSS_SELECTOR, "[data-filter]").send_keys("acme champion")
    wait(browser, lambda it: texts(it, "#models tbody th a") == ["churn-predictor"])
    browser.find_element(By.LINK_TEXT, "churn-predictor").click()
    wait(browser, lambda it: texts(it, "h1") == ["churn-predictor"])
    browser.find_element(By.LINK_TEXT, "All registries").click()
    wait(browser, lambda it: texts(it, "h1") == ["Model registries"])
    for link in browser.find_elements(By.CSS_SELECTOR, "#members th a, #models tbody th a"):
        address = str(link.get_attribute("href"))
        assert address.startswith("file:")
    links = browser.find_elements(By.CSS_SELECTOR, "#members th a")
    next(link for link in links if HOSTILE in link.text).click()
    wait(browser, lambda it: HOSTILE in it.find_element(By.CSS_SELECTOR, ".brand").text)
    assert complaints(browser) == []
