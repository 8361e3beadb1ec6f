"""The pages in a real Chromium, opened from a folder: what they show and what one can do there."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.site.made import HOSTILE

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

MODEL = "models/churn-predictor/"
PAGES = {
    "overview": "index.html",
    "model": f"{MODEL}index.html",
    "version": f"{MODEL}version.html?v=5",
    "compare": f"{MODEL}compare.html?a=4&b=6",
    "audit": "audit.html",
    "policy": "policy.html",
    "search": "search.html?q=churn",
}
AXE = Path(str(files("axe_core_python"))) / "axe.min.js"


def wait(browser: Chrome, holds: Callable[[Chrome], Any]) -> Any:
    stale = [StaleElementReferenceException]  # the page drew it anew
    return WebDriverWait(browser, 60, 0.05, stale).until(holds)


def shown(browser: Chrome, selector: str) -> list[WebElement]:
    return [one for one in browser.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()]


def texts(browser: Chrome, selector: str) -> list[str]:
    return [one.text for one in shown(browser, selector)]


def complaints(browser: Chrome) -> list[str]:
    """Return what the browser's console complained of since the last call."""
    logged: list[dict[str, Any]] = browser.execute("getLog", {"type": "browser"})["value"]
    return [one["message"] for one in logged if one["level"] == "SEVERE"]


@pytest.fixture
def go(browser: Chrome, sites: Path) -> Callable[[str], Chrome]:
    """Opens a page of the rich site and waits until it is filled."""

    def opened(page: str, site: str = "rich") -> Chrome:
        browser.get((sites / site / "x").as_uri().removesuffix("x") + page)
        filled = "return [...document.querySelectorAll('.filled')].every(e => e.children.length)"
        if "search" not in page:
            wait(browser, lambda it: it.execute_script(filled))
        return browser

    return opened


def test_the_overview_says_what_is_where_and_what_wants_attention(
    go: Callable[[str], Chrome],
) -> None:
    page = go(PAGES["overview"])
    [row] = [text for text in texts(page, "#models tbody tr") if "churn-predictor" in text]
    assert "production 5 since 2026-10-21 by Ada Lovelace override" in " ".join(row.split())
    assert "staging 6 since" in " ".join(row.split())
    assert "Predicts which customers leave" in row
    wants = " ".join(texts(page, ".wants summary"))
    for title in ("Policy overridden 1", "Reproduction failed 1", "Stage is empty 2"):
        assert title in wants
    assert any(
        "promoted churn-predictor@6 to staging" in text for text in texts(page, ".events li")
    )
    assert not any("cohort 1" in text for text in texts(page, ".events li"))


def test_the_overview_filters_as_one_types_and_sorts(go: Callable[[str], Chrome]) -> None:
    page = go(PAGES["overview"])
    field = page.find_element(By.CSS_SELECTOR, "[data-filter]")
    field.send_keys("ada staging")
    wait(page, lambda it: texts(it, "#models tbody th a") == ["churn-predictor"])
    assert page.find_element(By.CSS_SELECTOR, ".shown").text == "1 of 3"
    field.clear()
    field.send_keys("x")
    field.send_keys("\b")
    newest = page.find_element(By.XPATH, "//thead//button[text()='Newest']")
    newest.click()
    wait(page, lambda it: texts(it, "#models tbody th a")[-1] == "churn-predictor")
    newest.click()
    wait(page, lambda it: texts(it, "#models tbody th a")[0] == "churn-predictor")
    head = newest.find_element(By.XPATH, "..")
    assert head.get_attribute("aria-sort") == "descending"


def test_a_model_has_its_times_plots_versions_card_and_commands(
    go: Callable[[str], Chrome],
) -> None:
    page = go(PAGES["model"])
    bars = {
        kind: len(shown(page, f".gantt rect.{kind}"))
        for kind in ("ended", "lasts", "return", "override")
    }
    assert bars == {"ended": 6, "lasts": 2, "return": 2, "override": 1}
    assert texts(page, "#versions tbody th a") == ["6", "5", "4", "3", "2", "1"]
    page.find_element(By.XPATH, "//thead//button[.='f1']").click()
    wait(page, lambda it: texts(it, "#versions tbody th a") == ["1", "2", "3", "5", "4", "6"])
    page.find_element(By.CSS_SELECTOR, "[data-filter]").send_keys("champion")
    wait(page, lambda it: texts(it, "#versions tbody th a") == ["5"])
    assert "lower recall" in page.find_element(By.CSS_SELECTOR, ".prose").text
    assert "gitreg pull churn-predictor/production" in texts(page, ".command code")


def test_the_plot_says_the_value_under_the_pointer(go: Callable[[str], Chrome]) -> None:
    page = go(PAGES["model"])
    hover = page.find_element(By.ID, "hover")
    wait(page, lambda it: shown(it, "#plot canvas"))
    move = """
    const over = document.querySelector('.u-over'), box = over.getBoundingClientRect();
    const x = box.left + box.width * arguments[0];
    const at = { clientX: x, clientY: box.top + 20, bubbles: true };
    over.dispatchEvent(new MouseEvent('mouseenter', at));
    over.dispatchEvent(new MouseEvent('mousemove', at));
    """

    def says(place: float, text: str) -> Callable[[Chrome], bool]:
        def holds(it: Chrome) -> bool:
            it.execute_script("window.scrollTo(0, 300);" + move, place)
            return text in hover.text

        return holds

    wait(page, says(0.6, "version 4: 0.89"))
    assert "was in production" in hover.text
    wait(page, says(0.99, "version 6: 0.93"))
    assert "was in production" not in hover.text
    Select(page.find_element(By.ID, "metric")).select_by_visible_text("holdout: roc_auc")
    Select(page.find_element(By.ID, "over")).select_by_value("time")
    wait(page, says(0.99, "version 6: 0.92"))
    assert "data/holdout.csv" in hover.text
    page.find_element(By.XPATH, "//summary[.='Values as a table']").click()
    assert texts(page, "#values tbody th") == ["6", "5", "4", "3", "2"]


def test_a_version_has_all_that_is_known(go: Callable[[str], Chrome]) -> None:
    text = go(PAGES["version"]).find_element(By.ID, "version").text
    for part in (
        "churn-predictor@5",
        "registered 2026-10-19",
        "train.csv",
        "Beside @2, the incumbent of its time.",
        "+0.01",
        "tree.depth",
        "0.83 to 0.87",
        "age < 25",
        "2 packages",
        "different without a signature that counts",
        "promote override",
        "the feed broke: on call",
        "https://github.com/acme/models.git",
    ):
        assert part in text
    page = go(f"{MODEL}version.html?v=4")
    approvals = page.find_element(By.XPATH, "//section[h2[.='Approvals']]").text
    assert "There is none" in approvals  # the rollback withdrew it
    history = page.find_element(By.XPATH, "//section[h2[.='History']]")
    assert "approve" in history.text
    links = history.find_elements(By.CSS_SELECTOR, "a.oid")
    assert all("/acme/models/commit/" in str(one.get_attribute("href")) for one in links)
    used = go(f"{MODEL}version.html?v=2").find_element(By.XPATH, "//section[h2[.='Approvals']]")
    assert "production grace@example.com no it was for an earlier entry" in used.text
    assert "SHA256:" in used.text
    assert "no such version" in go(f"{MODEL}version.html?v=77").find_element(By.ID, "version").text


def test_any_two_versions_are_compared(go: Callable[[str], Chrome]) -> None:
    page = go(PAGES["compare"])

    def has(text: str) -> Callable[[Chrome], bool]:
        return lambda it: text in it.find_element(By.ID, "compare").text

    wait(page, has("f1 0.71 0.76 +0.05"))
    text = page.find_element(By.ID, "compare").text
    assert "numpy 1.26.4 1.26.6" in text
    assert "scikit-learn" not in text
    [link] = [one for one in page.find_elements(By.TAG_NAME, "a") if "Commits of" in one.text]
    assert "github.com/acme/models/compare/" in str(link.get_attribute("href"))
    page.find_element(By.ID, "swap").click()
    wait(page, has("f1 0.76 0.71 \N{MINUS SIGN}0.05"))
    Select(page.find_element(By.ID, "b")).select_by_value("1")
    wait(page, has("Only one of them was evaluated so"))


def test_the_audit_filters_and_exports(go: Callable[[str], Chrome]) -> None:
    page = go(PAGES["audit"])
    wait(page, lambda it: "of 31 events" in it.find_element(By.ID, "shown").text)
    Select(page.find_element(By.ID, "f-action")).select_by_visible_text("with override")
    wait(
        page,
        lambda it: set(texts(it, "#events td:nth-child(3)")) == {"promote override"},
    )
    Select(page.find_element(By.ID, "f-action")).select_by_visible_text("approve")
    page.find_element(By.ID, "f-who").send_keys("grace")
    wait(page, lambda it: it.find_element(By.ID, "shown").text == "3 of 3 events")
    export = (
        "const d = arguments[arguments.length - 1]; gitreg.exported().then(e => d(gitreg.as%s(e)))"
    )
    table = page.execute_async_script(export % "Csv").splitlines()
    assert table[0].startswith('"commit","time","author","model","action","version"')
    assert len(table) == 4
    assert '"Grace Hopper <grace@example.com>"' in table[1]
    assert page.execute_async_script(export % "Json").count('"action": "approve"') == 3


def test_the_policy_is_said_in_words_and_how_it_changed(go: Callable[[str], Chrome]) -> None:
    page = go(PAGES["policy"])
    assert "1 by leads (grace@example.com)" in page.find_element(By.CSS_SELECTOR, ".rules").text
    first = page.find_element(By.CSS_SELECTOR, ".change")
    assert "Raise the bar" in first.text
    assert [one.text for one in first.find_elements(By.CSS_SELECTOR, "li")] == [
        "production: A version needs: roc_auc is at least 0.8",
        "production: A version needs: roc_auc is at least 0.86",
    ]


def test_searching_finds_models_and_versions(go: Callable[[str], Chrome]) -> None:
    page = go("index.html")
    page.find_element(By.ID, "find").send_keys("retention\n")
    wait(page, lambda it: texts(it, "#results a") == ["churn-predictor"])
    words = page.find_element(By.ID, "words")

    def finds(name: str) -> Callable[[Chrome], bool]:
        return lambda it: texts(it, "#results a") == [name]

    for text, found in (("champion", "churn-predictor@5"), ("2026-03", "churn-predictor@3")):
        words.clear()
        words.send_keys(text)
        wait(page, finds(found))
    shown(page, "#results a")[0].click()
    wait(page, lambda it: "churn-predictor@3" in it.find_element(By.TAG_NAME, "h1").text)


@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_read_a_page(
    go: Callable[[str], Chrome], screen: Callable[..., None], name: str
) -> None:
    for width, scheme in ((390, "light"), (1280, "dark")):
        screen(width, scheme)
        page = go(PAGES[name])
        if name == "search":
            wait(page, lambda it: shown(it, "#results a"))
        wide = "return document.documentElement.scrollWidth"
        assert page.execute_script(wide) <= width
        page.execute_script(AXE.read_text())
        run = (
            "const d = arguments[arguments.length - 1];"
            "axe.run(document, {preload: false}).then(r => d(r.violations), e => d([String(e)]))"
        )
        found = page.execute_async_script(run)
        assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []
        shift = "return performance.getEntriesByType('layout-shift').length"
        assert page.execute_script(shift) == 0


def test_no_line_of_a_narrow_page_breaks_a_moment(
    go: Callable[[str], Chrome], screen: Callable[..., None]
) -> None:
    screen(390)
    page = go(PAGES["version"])
    heights = (
        "return [...document.querySelectorAll('time')].filter(one => one.offsetParent)"
        ".map(one => one.getClientRects().length)"
    )
    found = page.execute_script(heights)
    assert len(found) > 5
    assert set(found) == {1}


def test_paper_has_what_is_folded_and_all_columns(
    go: Callable[[str], Chrome], screen: Callable[..., None]
) -> None:
    screen(720)
    opened = "return ['details', 'details[open]'].map(it => document.querySelectorAll(it).length)"
    cut = (
        "return [...document.querySelectorAll('.scroll > table')]"
        ".filter(it => it.offsetWidth > it.parentElement.clientWidth + 1).length"
    )
    for name in ("version", "compare", "audit", "model"):
        page = go(PAGES[name])
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        page.execute_script("dispatchEvent(new Event('beforeprint'))")
        every, unfolded = page.execute_script(opened)
        assert every == unfolded
        assert page.execute_script(cut) == 0, name
        page.execute_script("dispatchEvent(new Event('afterprint'))")
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert page.execute_script(opened)[1] == 0


def test_a_reader_chooses_dark_or_light(
    go: Callable[[str], Chrome], screen: Callable[..., None]
) -> None:
    screen(1280)
    colour = "return getComputedStyle(document.body).backgroundColor"
    page = go(PAGES["policy"])
    light = page.execute_script(colour)
    page.find_element(By.CSS_SELECTOR, ".theme").click()
    dark = page.execute_script(colour)
    assert dark != light
    assert go(PAGES["model"]).execute_script(colour) == dark
    page.find_element(By.CSS_SELECTOR, ".theme").click()
    assert page.execute_script(colour) == light
    page.execute_script("localStorage.clear()")


def test_nothing_that_a_registry_says_runs(
    go: Callable[..., Chrome], browser: Chrome, sites: Path
) -> None:
    [folder] = (sites / "hostile" / "models").iterdir()
    address = folder.name.replace("%", "%25")
    complaints(browser)
    watch = (
        "window.violations = []; addEventListener('securitypolicyviolation',"
        " e => violations.push(e.violatedDirective + ' ' + e.blockedURI));"
        " window.ran = () => { document.title = 'ran'; };"
    )
    watching = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": watch})
    try:
        for page in (
            *("index.html", "audit.html", "policy.html", "search.html?q=alert"),
            f"models/{address}/index.html",
            *(f"models/{address}/version.html?v={number}" for number in (1, 2)),
            f"models/{address}/compare.html?a=1&b=2",
        ):
            it = go(page, "hostile")
            assert it.execute_script("return violations") == []
            strange = (
                "main script, main img, main iframe, main style, [onclick], [onerror], [onload]"
            )
            assert it.execute_script(f"return document.querySelectorAll('{strange}').length") == 0
            links = it.execute_script("return [...document.links].map(a => a.protocol)")
            assert set(links) <= {"file:", "https:", "http:", "mailto:"}
            assert "ran" not in it.title.split()
            body = it.find_element(By.TAG_NAME, "body").text
            assert not set("\u202e\u2066\u2028") & set(body)
            if "models/" in page:
                assert HOSTILE in body
            if "compare" in page:
                assert "constructor 1 2" in body
            if "version" in page:
                assert "__proto__ 1" in body
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", watching)
    assert complaints(browser) == []
