"""Rendered files follow their pointers: every operation writes them in its own commit."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import Refused
from tests.conftest import git
from tests.support.clones import check, commit
from tests.support.commands import error, gitreg

ENV = "deploy/{}/production/model.env"
POLICY = """\
format: 1
stages:
  staging: {}
  production:
    holds: 1
    replaced: archived
    renders:
    - {to: 'deploy/{model}/{stage}/model.env', as: env}
    - {to: 'charts/{model}/values-model.yaml', as: values}
    - {to: 'deploy/{model}/{stage}/kustomization.yaml', as: kustomize}
  archived: {}
"""


@pytest.fixture
def work(stocked: Path) -> Path:
    """A clone whose production, churn@2, is rendered and published."""
    commit(stocked, {"registry/policy.yaml": POLICY}, "render")
    with Registry(stocked) as registry:
        registry.render(push=True)
    return stocked


def said(folder: Path, model: str = "churn", rev: str = "HEAD") -> dict[str, str]:
    """Return what the file of a model says at a commit; nothing where there is none."""
    text = git(folder, "show", f"{rev}:{ENV.format(model)}", check=False)
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def sound(folder: Path, commits: str | None = None) -> bool:
    report = check(folder, commits)
    return not any(finding.code == "wrong-render" for finding in report.findings)


def test_every_move_writes_the_files_in_its_own_commit(work: Path) -> None:
    start = git(work, "rev-parse", "HEAD")
    manifest = git(work, "log", "--format=%H", "--", "registry/churn/versions/3/manifest.yaml")
    with Registry(work) as registry:
        version = registry.show("churn@3")
        promoted = registry.promote("churn@3", stage="production")
        assert len([path for path in promoted.change.paths if "deploy/" in path]) == 2
        assert said(work) == {
            "GITREG_MODEL": "churn",
            "GITREG_STAGE": "production",
            "GITREG_VERSION": "3",
            "GITREG_SHA256": version.artifact.sha256,
            "GITREG_COMMIT": manifest,
            "GITREG_URI": "models:/churn/3",
        }
        assert (work / ENV.format("churn")).read_text() == (
            git(work, "show", f"HEAD:{ENV.format('churn')}") + "\n"
        )
        registry.rollback("churn")
        assert said(work)["GITREG_VERSION"] == "2"
        registry.rename_model("churn", "attrition")
        assert (said(work), said(work, "attrition")["GITREG_VERSION"]) == ({}, "2")
        assert "GITREG_COMMIT" not in said(work, "attrition")  # it was registered as churn
        registry.archive("attrition@2")
        assert said(work, "attrition") == {}
        assert not (work / "deploy").exists()
        registry.promote("tokenizer@1", stage="production")
        assert said(work, "tokenizer")["GITREG_VERSION"] == "1"
        registry.delete_model("tokenizer", force=True)
        assert said(work, "tokenizer") == {}
        assert registry.render().commit is None
    assert git(work, "status", "--porcelain") == ""
    assert sound(work, start)
    assert sound(work)


def test_a_revert_by_git_takes_the_files_along(work: Path) -> None:
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
    git(work, "revert", "--no-edit", "HEAD")
    assert said(work)["GITREG_VERSION"] == "2"
    assert sound(work)
    git(work, "revert", "--no-edit", "HEAD")
    assert said(work)["GITREG_VERSION"] == "3"
    assert sound(work)


def test_a_broken_policy_does_not_keep_a_rollback_from_its_files(work: Path) -> None:
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
    commit(work, {"registry/policy.yaml": "format: 1\nstages: {"})
    with Registry(work) as registry:
        registry.rollback("churn")
    assert said(work)["GITREG_VERSION"] == "2"


def test_a_dry_run_names_the_files_and_writes_none(work: Path) -> None:
    ran = gitreg("promote", "churn@3", "--to", "production", "--dry-run", "--repo", str(work))
    assert ENV.format("churn") in ran.out
    assert said(work)["GITREG_VERSION"] == "2"


def test_the_users_work_in_a_file_is_left_alone(work: Path) -> None:
    place = work / ENV.format("churn")
    place.write_text("mine\n")
    told = error("promote", "churn@3", "--to", "production", "--repo", str(work), code=1)
    assert f"{ENV.format('churn')} has uncommitted changes" in told
    assert place.read_text() == "mine\n"


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        (ENV.format("tokenizer"), "THEIRS=1\n", "was not rendered by gitreg"),
        ("deploy/tokenizer", "a file\n", "deploy/tokenizer is no folder"),
        ("Deploy/note.txt", "x\n", "Deploy differs from it only by case"),
        ("deploy/tokenizer/Production/x", "x\n", "differs from it only by case"),
        (ENV.format("tokenizer") + "/x", "x\n", "is no file"),
    ],
)
def test_what_is_others_is_not_overwritten(work: Path, path: str, text: str, why: str) -> None:
    commit(work, {path: text})
    with Registry(work) as registry, pytest.raises(Refused, match=why):
        registry.promote("tokenizer@1", stage="production")
    assert git(work, "status", "--porcelain") == ""
    assert not git(work, "show", "HEAD:registry/tokenizer/stages/production.yaml", check=False)


def test_a_link_in_the_place_of_a_folder_is_refused(work: Path, tmp_path: Path) -> None:
    (work / "deploy/tokenizer").symlink_to(tmp_path)
    git(work, "add", "deploy")
    git(work, "commit", "--quiet", "-m", "a link")
    with Registry(work) as registry, pytest.raises(Refused, match="deploy/tokenizer is no folder"):
        registry.promote("tokenizer@1", stage="production")
    assert list(tmp_path.glob("production")) == []


def test_two_models_with_one_file_are_refused(work: Path) -> None:
    files = {
        "a": "renders: [{to: 'x/{model}-b/m.env', as: env}]",
        "a-b": "renders: [{to: 'x/{model}/m.env', as: env}]",
    }
    rules = "".join(f"  {m}: {{stages: {{production: {{{r}}}}}}}\n" for m, r in files.items())
    commit(work, {"registry/policy.yaml": f"{POLICY}models:\n{rules}"})
    with Registry(work) as registry:
        registry.rename_model("tokenizer", "a-b")
        with pytest.raises(Refused, match="has this file already"):
            registry.rename_model("churn", "a")


def test_a_changed_policy_is_rendered_on_request(work: Path) -> None:
    commit(work, {"registry/policy.yaml": POLICY.replace("charts/", "helm/")})
    with Registry(work) as registry:
        found = {(one.code, one.subject) for one in registry.doctor() if "render" in one.code}
        assert found == {
            ("wrong-render", "helm/churn/values-model.yaml"),
            ("stray-render", "charts/churn/values-model.yaml"),
        }
    told = gitreg("deploy", "render", "--check", "--repo", str(work), code=1).out.splitlines()
    assert told == [
        "helm/churn/values-model.yaml: not what its stage says",
        "charts/churn/values-model.yaml: not what its stage says",
        "gitreg deploy render writes them anew",
    ]
    before = git(work, "rev-parse", "HEAD")
    ran = gitreg("deploy", "render", "--repo", str(work), "-m", "another chart")
    assert "render what the stages hold" in ran.out
    assert git(work, "rev-parse", "HEAD^") == before
    assert gitreg("deploy", "render", "--check", "--repo", str(work)).code == 0
    with Registry(work) as registry:
        assert [one for one in registry.doctor() if "render" in one.code] == []
    assert sound(work)


def test_the_mode_of_a_file_is_mended(work: Path) -> None:
    git(work, "update-index", "--chmod=+x", ENV.format("churn"))
    (work / ENV.format("churn")).chmod(0o755)
    git(work, "commit", "--quiet", "-m", "run it")
    assert not sound(work, "HEAD~1")
    with Registry(work) as registry:
        assert [one.message for one in registry.doctor() if "render" in one.code] == [
            "it is no plain file"
        ]
        registry.render()
        assert [one for one in registry.doctor() if "render" in one.code] == []


def test_a_push_after_somebody_elses_move_renders_again(work: Path, shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "other")
    other = shared / "other"
    with Registry(work) as registry:
        registry.annotate("churn", description="a model")
        registry.promote("tokenizer@1", stage="production")
    with Registry(other) as registry:
        registry.promote("churn@3", stage="production", push=True)
    with Registry(work) as registry:
        report = registry.push()
        assert (report.left, report.own, len(report.sent)) == ((), (), 2)
    published = git(work, "rev-parse", "origin/main")
    assert said(work, "churn", published)["GITREG_VERSION"] == "3"
    assert said(work, "tokenizer", published)["GITREG_VERSION"] == "1"
    assert len(said(work, "tokenizer", published)["GITREG_COMMIT"]) == 40
    assert sound(work)


def test_a_push_that_has_nowhere_to_render_leaves_the_move(work: Path, shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "other")
    other = shared / "other"
    with Registry(work) as registry:
        registry.promote("tokenizer@1", stage="production")
    commit(other, {ENV.format("tokenizer"): "theirs\n"})
    git(other, "push", "--quiet")
    with Registry(work) as registry:
        [left] = registry.push().left
    assert "was not rendered by gitreg" in left.reason


def test_a_shallow_clone_renders_the_commit_that_it_lacks(work: Path, shared: Path) -> None:
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
        registry.promote("churn@2", stage="production", push=True)
    url = (shared / "origin.git").as_uri()
    git(shared, "clone", "--quiet", "--depth=2", url, "shallow")
    shallow = shared / "shallow"
    with Registry(shallow) as registry:
        assert [one for one in registry.doctor() if "render" in one.code] == []
        assert registry.render(dry_run=True).change.paths == ()
        registry.promote("churn@3", stage="production")
    assert said(shallow) == said(work, rev="HEAD^")
    assert check(shallow, "HEAD^..HEAD").findings == ()
    forged = (shallow / ENV.format("churn")).read_text().splitlines()
    forged = [f"GITREG_COMMIT={'0' * 40}" if "COMMIT" in line else line for line in forged]
    commit(shallow, {ENV.format("churn"): "\n".join([*forged, ""])}, "forge")
    assert not sound(shallow, "HEAD^..HEAD")
