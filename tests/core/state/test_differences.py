"""What differs in detail: packages and listings, against plain sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.state.differences import PackageChange, file_changes, package_changes

listings = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "2", "3"]))


def test_packages_that_came_went_and_changed() -> None:
    before = ["numpy==2.1.0", "Scikit_Learn==1.5.0", "old==1", "# numpy==1", "--hash=1"]
    after = ["numpy==2.2.0", "scikit-learn==1.5.0", "new @ git+https://example.com/new@4b652c8"]
    assert package_changes(before, after) == (
        PackageChange("new", "added", None, "git+https://example.com/new@4b652c8"),
        PackageChange("numpy", "changed", "2.1.0", "2.2.0"),
        PackageChange("old", "removed", "1", None),
    )


def test_a_condition_that_is_no_pin_counts_too() -> None:
    (change,) = package_changes(["torch>=2"], ["torch"])
    assert (change.before, change.after) == (">=2", "any version")
    assert package_changes(["torch[cuda] == 2.4"], ["torch==2.4"]) == ()


@given(listings, listings)
def test_files_are_those_of_plain_sets(before: dict[str, str], after: dict[str, str]) -> None:
    sizes = {"1": 10, "2": 20}
    found = {change.path: change for change in file_changes(before, after, sizes)}
    assert {p for p, c in found.items() if c.kind == "added"} == after.keys() - before.keys()
    assert {p for p, c in found.items() if c.kind == "removed"} == before.keys() - after.keys()
    both = before.keys() & after.keys()
    assert {p for p, c in found.items() if c.kind == "changed"} == {
        path for path in both if before[path] != after[path]
    }
    assert list(found) == sorted(found)
    for path, change in found.items():
        assert change.size_before == sizes.get(before.get(path, ""))
        assert change.size_after == sizes.get(after.get(path, ""))
