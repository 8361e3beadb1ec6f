"""Commands about rules: approvals, the policy, the check, hooks, and files for Git hosts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gitreg import __version__
from gitreg.cli.app import app, ci_app, hook_app, policy_app
from gitreg.cli.output import opened, print_json, print_outcome, say_age, warn
from gitreg.cli.parameters import (
    CloneArguments,
    ReadArguments,
    ReferenceArgument,
    RepoPathOption,
    RepositoryArguments,
    WriteArguments,
    argument,
    check_model_argument,
    complete_model,
    complete_reference,
    complete_stage,
    flag,
    option,
    with_clone_options,
    with_read_options,
    with_repository_options,
    with_write_options,
)
from gitreg.errors import InvalidRequest, Refused
from gitreg.registry import Registry

if TYPE_CHECKING:
    from gitreg.review.workflows import HostFile


@app.command()
@with_write_options
def approve(
    reference: ReferenceArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="STAGE",
            help="The stage that the version may enter.",
            autocompletion=complete_stage,
        ),
    ],
    withdraw: Annotated[bool, flag("--withdraw", "Withdraw your approval instead.")] = False,
    key: Annotated[
        Optional[str], option("FILE", "The SSH key, instead of Git's user.signingkey.")
    ] = None,
    *,
    shared: WriteArguments,
) -> None:
    """Approve that a version enters a stage, with your signature.

    Shows what you approve, and signs it with Git's SSH signing key. The approval covers this
    version, this stage and what the stage holds now, nothing else. Exits 1 when it would not count.

    Example: gitreg approve churn-predictor@2 --to production -m "recall holds on November"
    """
    from gitreg.render import as_text

    with Registry(shared.repo) as registry:
        if withdraw:
            outcome = registry.withdraw_approval(reference, stage=to, key=key, **shared.options)
        else:
            preview = registry.preview_approval(reference, stage=to)
            typer.echo(as_text.preview_text(preview), err=True)
            outcome = registry.approve(preview, key=key, **shared.options)
    print_outcome(outcome, shared)


@policy_app.command("show")
@with_read_options
def policy_show(
    model: Annotated[Optional[str], argument("MODEL", "The model.", complete_model)] = None,
    *,
    shared: ReadArguments,
) -> None:
    """Show the rules for a model, or the general ones.

    Merges the rules that apply by name and by glob, and adds the defaults that the file leaves out.

    Example: gitreg policy show churn-predictor
    """
    from gitreg.core.policy import policy_document
    from gitreg.core.text.suggest import did_you_mean
    from gitreg.render import as_text

    if model is not None:
        check_model_argument(model, "gitreg policy show {model}")
    with opened(shared.repo, shared.allow_rewind) as registry:
        policy = registry.policy(model, **shared.options)
        there = registry.state(**shared.options).model_names()
        if shared.is_current:
            warn(registry.uncommitted_policy())
        say_age(registry, registry.commit, shared)
    # A model may be registered after its rules are written; a mistyped name would go unnoticed.
    for name in policy.naming_none_of(there) if model is None else {model} - set(there):
        near = did_you_mean(name, there)
        warn((f"no model {name!a} is registered" + (f": {near}" if near else ""),))
    if shared.json:
        print_json(policy_document(policy, with_defaults=True))
    else:
        typer.echo(as_text.policy_text(policy))


@policy_app.command("test")
@with_read_options
def policy_test(
    references: Annotated[
        Optional[list[str]], argument("REF...", "Which versions.", complete_reference)
    ] = None,
    to: Annotated[Optional[str], option("STAGE", "A stage of the policy.", complete_stage)] = None,
    policy: Annotated[
        Optional[str], option("FILE", "Judge by this file, before it is committed.")
    ] = None,
    *,
    shared: ReadArguments,
) -> None:
    """Show the policy's verdicts on a promotion, and do nothing.

    Exits 1 when the promotion would be refused. With --rev, such as a branch, the policy and the
    versions of that commit are used. Exits 2, with the line, when the policy does not parse; with
    --policy alone, that is all it tells.

    Example: gitreg policy test churn-predictor@2 --to production --policy registry/policy.yaml
    """
    from gitreg.render import as_json, as_text

    if policy is not None and not references and to is None:
        _try_file(policy, json=shared.json)
        return
    if not references or to is None:
        raise InvalidRequest(
            "which version, into which stage?",
            hint=f"gitreg policy test {(references or ['NAME@N'])[0]} --to {to or 'production'}",
        )
    with opened(shared.repo, shared.allow_rewind) as registry:
        judgements = registry.test_policy(*references, stage=to, policy=policy, **shared.options)
        if shared.is_current and policy is None:
            warn(registry.uncommitted_policy())
        say_age(registry, registry.commit, shared)
    if shared.json:
        print_json(as_json.verdicts_json(judgements))
    else:
        none = "no rule of the policy applies"
        typer.echo(as_text.verdicts_text(judgements) or none)
    failed = sum(len(judgement.failed) for judgement in judgements)
    if failed:
        every = sum(len(judgement.verdicts) for judgement in judgements)
        raise Refused(f"it would be refused: {failed} of {every} rules say no")


def _try_file(policy: str, *, json: bool) -> None:
    from gitreg.registry.reading import policy_in_file
    from gitreg.render.terminal import line

    policy_in_file(Path(policy))
    if json:
        print_json([])  # no version, no verdicts
    else:
        typer.echo(f"{line(policy)}: no mistakes; name a version and --to to judge by it")


@policy_app.command("statement")
def policy_statement(
    commit: Annotated[str, argument("COMMIT", "The commit that makes the change.")] = "HEAD",
    repo: RepoPathOption = ".",
) -> None:
    """Print what approvers of a policy change sign.

    Sign it with "ssh-keygen -Y sign -n gitreg-approval", and amend the commit with the signature
    as registry/.approvals/policy.YOUR-EMAIL.sig.

    Example: gitreg policy statement HEAD
    """
    with Registry(repo) as registry:
        typer.echo(registry.change_statement(commit), nl=False)


@policy_app.command("schema")
def policy_schema(
    manifest: Annotated[
        bool, flag("--manifest", "The schema of a version's manifest.yaml instead.")
    ] = False,
) -> None:
    """Print the JSON Schema of policy.yaml, for editors.

    Write it to a file; an editor then completes and checks a policy whose first line is
    "# yaml-language-server: $schema=FILE". gitreg also checks what a schema cannot express.

    Example: gitreg policy schema --manifest
    """
    from importlib.resources import files

    name = "manifest" if manifest else "policy"
    folder = files("gitreg.core.documents").joinpath("schemas")
    typer.echo(folder.joinpath(f"{name}.schema.json").read_text("utf-8"), nl=False)


@app.command()
@with_repository_options
def check(
    commits: Annotated[
        Optional[str],
        argument("BASE..HEAD", "The commits to check; by default all that are not upstream."),
    ] = None,
    history: Annotated[
        bool, flag("--history", "Check every commit, each under the policy of its time.")
    ] = False,
    only_registry: Annotated[
        bool,
        flag("--only-registry", "Refuse commits that change both the registry and other files."),
    ] = False,
    strict: Annotated[
        bool, flag("--strict", "Report what cannot be checked here as an error.")
    ] = False,
    remote: Annotated[
        bool, flag("--remote", "Check that the DVC remote has the bytes of new versions.")
    ] = False,
    form: Annotated[
        str,
        typer.Option("--format", metavar="FORM", help="text, markdown, sarif, github or gitlab."),
    ] = "text",
    *,
    shared: RepositoryArguments,
) -> None:
    """Check commits against the rules of the registry.

    Each commit is compared with each of its parents, under the policy of BASE; a policy that
    changes in the range takes effect after it. Exits 1 when something is refused.

    Example: gitreg check origin/main..HEAD --format markdown
    """
    from gitreg.core.text.suggest import did_you_mean
    from gitreg.render import reports, terminal

    if form not in reports.FORMATS:
        near = did_you_mean(form, reports.FORMATS)
        known = f"one of {', '.join(reports.FORMATS)}"
        raise InvalidRequest(f"--format: no {form!a}", hint=near or known)
    if shared.json and form != "text":
        raise InvalidRequest(f"--json and --format {form} exclude each other: give one of them")
    with opened(shared.repo, shared.allow_rewind) as registry:
        report = registry.check(
            commits,
            history=history,
            only_registry=only_registry,
            strict=strict,
            remote=remote,
        )
    if shared.json:
        print_json(reports.report_json(report))
    else:
        text = reports.formatted(report, form, __version__)
        if text:
            typer.echo(text if form in ("sarif", "gitlab") else terminal.visible(text))
    if not report.passed:
        raise typer.Exit(1)


@hook_app.command("install")
@with_clone_options
def hook_install(
    name: Annotated[str, argument("NAME", "pre-receive, pre-commit or post-merge.")],
    *,
    shared: CloneArguments,
) -> None:
    """Install a Git hook.

    An existing hook is kept, and runs first. pre-receive, on a server, guards the default branch
    (or the one in the Git setting gitreg.branch): it refuses what gitreg check refuses, force
    pushes, tags that disagree with history, and refs/replace. pre-commit checks what is about to
    be committed. post-merge makes tags.

    Example: gitreg hook install pre-receive --repo /srv/git/models.git
    """
    from gitreg import hooks
    from gitreg.git.repository import GitRepository
    from gitreg.render import terminal

    repository = GitRepository(Path(shared.repo))
    installed = hooks.install(repository, name)
    if shared.json:
        chained = None if installed.chained is None else str(installed.chained)
        print_json({"path": str(installed.path), "chained": chained, "changed": installed.changed})
        return
    state = "written" if installed.changed else "unchanged"
    typer.echo(f"{state}: {terminal.line(str(installed.path))}")
    if name == "pre-receive" and repository.top_level is not None:
        warn(("pre-receive checks what is pushed into this clone, not what this clone pushes",))
    if installed.chained is not None:
        typer.echo(f"{terminal.line(installed.chained.name)} runs before it", err=True)


@hook_app.command("run")
def hook_run(
    name: Annotated[str, argument("NAME", "pre-receive, pre-commit or post-merge.")],
) -> None:
    """Run a hook as Git would; installed hook scripts call this.

    Example: gitreg hook run pre-commit
    """
    from gitreg import hooks

    code = hooks.main(name)
    if code:
        raise typer.Exit(code)


WriteOption = Annotated[
    bool, flag("--write", "Write the file into the work tree, for you to commit.")
]


ForceFileOption = Annotated[bool, flag("--force", "Replace an existing file that differs.")]


InstallOption = Annotated[
    str,
    typer.Option(
        "--install",
        metavar="REQUIREMENT",
        help="What pip installs for gitreg there: git+https://git.example.com/ml/gitreg@v1.",
    ),
]


SiteOption = Annotated[
    bool, flag("--site", "Publish the registry as web pages, too; see gitreg site build.")
]


def _print_workflow(
    host: str, install: str, *, site: bool, write: bool, force: bool, repo: str
) -> None:
    if force and not write:
        raise InvalidRequest("--force needs --write")
    with Registry(repo) as registry:
        file = registry.workflow(host, install=install, site=site, write=write, force=force)
    _print_file(file)
    if not install:
        warn(
            ("its jobs fail until GITREG names what pip installs: use --install, or edit the file",)
        )


def _print_file(file: HostFile) -> None:
    warn(file.warnings)
    if file.state == "shown":
        typer.echo(file.text, nl=False)
    else:
        typer.echo(f"{file.state}: {file.path}")


@ci_app.command("github")
def ci_github(
    install: InstallOption = "",
    site: SiteOption = False,
    write: WriteOption = False,
    force: ForceFileOption = False,
    repo: RepoPathOption = ".",
) -> None:
    """Print or write a workflow for GitHub Actions.

    The workflow checks pull requests, makes tags after a merge, and has a place for your deploy
    command, which runs when production changes.

    Example: gitreg ci github --install git+https://git.example.com/ml/gitreg@v1 --write
    """
    _print_workflow("github", install, site=site, write=write, force=force, repo=repo)


@ci_app.command("gitlab")
def ci_gitlab(
    install: InstallOption = "",
    site: SiteOption = False,
    write: WriteOption = False,
    force: ForceFileOption = False,
    repo: RepoPathOption = ".",
) -> None:
    """Print or write jobs for GitLab CI.

    Include them in .gitlab-ci.yml. They check merge requests, make tags after a merge, and have a
    place for your deploy command, which runs when production changes.

    Example: gitreg ci gitlab --install git+https://git.example.com/ml/gitreg@v1 --write
    """
    _print_workflow("gitlab", install, site=site, write=write, force=force, repo=repo)


@app.command()
def codeowners(write: WriteOption = False, repo: RepoPathOption = ".") -> None:
    """Print or write CODEOWNERS from the owners in the policy.

    A new file goes to the root, where GitHub and GitLab look for it. Other lines of the file stay.

    Example: gitreg codeowners --write
    """
    with Registry(repo) as registry:
        warn(registry.uncommitted_policy())
        _print_file(registry.codeowners(write=write))
