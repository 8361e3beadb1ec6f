"""The user's own artifacts in ``dvc.yaml``, beside those that gitreg keeps."""

from __future__ import annotations

from pathlib import Path

from gitreg import Registry
from tests.conftest import git, write_model
from tests.support.clones import check

OURS = """\
  mail-filter:
    path: models/filter.pkl   # the pipeline writes it
    desc: Sorts mail
    type: model
    labels: [nlp]
"""


def annotated(folder: Path) -> str:
    """Add an entry to the file by hand; return the file."""
    path = folder / "dvc.yaml"
    path.write_text(path.read_text() + OURS)
    git(folder, "commit", "--quiet", "-am", "annotate")
    return path.read_text()


def test_an_entry_of_the_users_own_stays(stocked: Path) -> None:
    mine = annotated(stocked)
    model = write_model(stocked, "filter")
    with Registry(stocked) as registry:
        outcome = registry.register("mail-filter", model)
        assert "artifacts.mail-filter in dvc.yaml is yours" in outcome.warnings[0]
        registry.register("mail-filter", write_model(stocked, "better"))
        assert (stocked / "dvc.yaml").read_text() == mine
        registry.delete("mail-filter@2")
        registry.rename_model("mail-filter", "sorter")
        told = (stocked / "dvc.yaml").read_text()
        assert OURS in told
        assert "registry/sorter/versions/1/model" in told
        registry.delete("sorter@1")
    assert (stocked / "dvc.yaml").read_text() == mine
    assert check(stocked).findings == ()


def test_the_user_may_change_their_own_entry(stocked: Path) -> None:
    mine = annotated(stocked)
    with Registry(stocked) as registry:
        registry.register("mail-filter", write_model(stocked, "filter"))
    base = git(stocked, "rev-parse", "HEAD")
    (stocked / "dvc.yaml").write_text(mine.replace("filter.pkl", "newer.pkl"))
    git(stocked, "commit", "--quiet", "-am", "move it")
    assert check(stocked, f"{base}..HEAD").findings == ()
    theirs = mine.replace("registry/churn/versions/3", "registry/churn/versions/1")
    (stocked / "dvc.yaml").write_text(theirs)
    git(stocked, "commit", "--quiet", "-am", "point elsewhere")
    (found,) = check(stocked, "HEAD~1..HEAD").findings
    assert (found.code, found.is_error) == ("dvc-yaml", True)


def test_an_entry_that_is_handed_over_is_kept_with_all_that_it_says(stocked: Path) -> None:
    mine = annotated(stocked)
    with Registry(stocked) as registry:
        registry.register("mail-filter", write_model(stocked, "filter"))
        kept = mine.replace("models/filter.pkl", "registry/mail-filter/versions/1/model")
        (stocked / "dvc.yaml").write_text(kept)
        git(stocked, "commit", "--quiet", "-am", "hand over")
        registry.register("mail-filter", write_model(stocked, "better"))
        assert (stocked / "dvc.yaml").read_text() == kept.replace(
            "filter/versions/1", "filter/versions/2"
        )
        registry.rename_model("mail-filter", "sorter")
        told = (stocked / "dvc.yaml").read_text()
    entry = OURS.replace("mail-filter:", "sorter:")
    assert entry.replace("models/filter.pkl", "registry/sorter/versions/2/model") in told
    assert "mail-filter" not in told
    assert check(stocked).findings == ()
