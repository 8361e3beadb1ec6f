"""Renders: the files that say what a stage holds, written by the change that moves its pointer.

Every write passes through `rendered`, so no operation has to remember them, and reverting the
commit of a pointer reverts them, too.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, replace

from gitreg.core.model import layout
from gitreg.core.model.names import fold
from gitreg.core.policy import Policy
from gitreg.core.policy.renders import Held, Render, clash, commit_in, followed_by
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState, Snapshot
from gitreg.errors import GitregError, InvalidRequest, Refused

Registered = Callable[[str, int], "str | None"]
"""Returns the commit that registered a version of a model under this name, if one before did."""


def never(_model: str, _version: int) -> None:
    """Return no commit: the one that registers the version is not made yet."""
    return


@dataclass(frozen=True)
class Target:
    """A file that follows a pointer.

    Attributes:
        model: whose pointer.
        stage: which pointer.
        render: what is rendered there.
    """

    model: str
    stage: str
    render: Render

    @property
    def path(self) -> str:
        """Where the file is."""
        return self.render.path(self.model, self.stage)

    @property
    def pointer(self) -> str:
        """The path of the pointer."""
        return layout.stage_path(self.model, self.stage)


def has_renders(policy: Policy) -> bool:
    """Tell whether a policy renders anything for any model."""
    parts = (part.rule for rules in policy.models.values() for part in rules.stages.values())
    return any(rule.renders for rule in (*policy.stages.values(), *parts))


def targets(state: RegistryState) -> list[Target]:
    """Return every file that the models of a registry may have by its policy."""
    return [
        target
        for model in (state.model_names() if has_renders(state.policy) else ())
        for target in targets_of(state, model)
    ]


def targets_of(state: RegistryState, model: str, *stages: str) -> list[Target]:
    """Return the files that a model may have, perhaps only for some stages."""
    rules = state.policy.of(model).stages
    return [
        Target(model, stage, render)
        for stage in stages or rules
        if stage in rules
        for render in rules[stage].renders
    ]


def held(state: RegistryState, target: Target, registered: Registered) -> Held | None:
    """Return what a file has to say; ``None`` when the stage is empty, and there is no file.

    Of several versions it is the highest, as for a reference to the stage.
    """
    versions = state.stages(target.model).get(target.stage)
    if not versions:
        return None
    version = max(versions)
    sha256 = state.manifest(target.model, version).artifact.sha256
    commit = registered(target.model, version)
    return Held(target.model, target.stage, version, sha256, commit)


def rendered(state: RegistryState, change: Change, registered: Registered) -> Change:
    """Return a change with the rendered files of the pointers that it moves.

    Those that it had are made anew.

    Raises:
        Refused: a file of somebody else's, or something else, is in the place of one.
    """
    places = (layout.locate(edit.path) for edit in change.edits)
    moved = [(place.model, str(place.name)) for place in places if place and place.kind == "stages"]
    if not moved or not has_renders(state.policy):
        return change
    after = state.after({edit.path: edit.content for edit in change.edits})
    wanted = [
        target
        for model, stage in dict.fromkeys(moved)
        for target in targets_of(after, model, stage)
    ]
    if not wanted:
        return change
    paths = {target.path for target in wanted}
    others = (edit for edit in change.edits if edit.path not in paths)
    return replace(change, edits=(*others, *_edits(state, after, wanted, registered)))


def render_all(state: RegistryState, registered: Registered, files: Mapping[str, bool]) -> Change:
    """Return the change that makes every rendered file true.

    Args:
        state: the registry.
        registered: gives registering commits.
        files: the rendered files that there are, each with whether it is a plain file; those that
            no rule names are removed.

    Raises:
        Refused: a file of somebody else's, or something else, is in the place of one.
    """
    every = targets(state)
    odd = {path for path, is_plain in files.items() if not is_plain}
    edits = [*_edits(state, state, every, registered, odd)]
    known = {target.path for target in every}
    edits += [Edit(path, None) for path in sorted(set(files) - known)]
    return Change(
        "render what the stages hold", tuple(edits), trailers=(("Gitreg-Action", "render"),)
    )


def _edits(
    state: RegistryState,
    after: RegistryState,
    wanted: list[Target],
    registered: Registered,
    odd: Container[str] = (),
) -> Iterator[Edit]:
    taken = {path: other for path, _, other in clashes(after)} if wanted else {}
    for target in wanted:
        said = held(after, target, registered)
        before = state.snapshot.read(target.path)
        if said is None:
            if followed_by(before) == target.pointer:
                yield Edit(target.path, None)
            continue
        content = _content(target, said)
        fault = taken.get(target.path)
        if fault is not None:
            raise Refused(f"{target.path}: {fault} has this file already", hint=_OTHER_PATH)
        in_the_way = obstacle(state.snapshot, target.path)
        if in_the_way is not None:
            raise Refused(f"{target.path} cannot be rendered: {in_the_way}", hint=_OTHER_PATH)
        _refuse_others(after, target, before)
        if before != content or target.path in odd:
            yield Edit(target.path, content)


_OTHER_PATH = f"move it away, or give `renders` in {layout.POLICY} another path"


def _content(target: Target, said: Held) -> bytes:
    try:
        target.render.checked_path(target.model, target.stage)
    except InvalidRequest as error:
        raise Refused(
            str(error), hint=f"`renders` in {layout.POLICY} can differ by model"
        ) from None
    return target.render.content(said)


def _refuse_others(after: RegistryState, target: Target, before: bytes | None) -> None:
    """Refuse to overwrite a file that gitreg did not render, or that follows another pointer."""
    follows = followed_by(before)
    if before is None or follows == target.pointer:
        return
    if follows is None:
        raise Refused(
            f"{target.path} is in Git and was not rendered by gitreg; nothing was written",
            hint=_OTHER_PATH,
        )
    if after.snapshot.read(follows) is not None:
        raise Refused(f"{target.path} follows {follows}; nothing was written", hint=_OTHER_PATH)


def clashes(state: RegistryState) -> Iterator[tuple[str, str, str]]:
    """Yield each path that two stages would render, with who wants it and who has it."""
    return clash((target.path, f"{target.model}/{target.stage}") for target in targets(state))


def fault(
    state: RegistryState, target: Target, registers: Callable[[str, str], bool]
) -> str | None:
    """Return what is wrong with a rendered file of a state, ``None`` if it is right.

    Args:
        state: the registry at a commit.
        target: which file.
        registers: tells whether a commit made the manifest at a path as it is now.
    """
    try:
        said = held(state, target, never)
    except GitregError:
        return None  # the pointer or the manifest does not parse, which is another fault
    in_the_way = obstacle(state.snapshot, target.path)
    data = state.snapshot.read(target.path)
    if in_the_way is not None or said is None:
        left = f"it is left behind: {target.pointer} names no version"
        return in_the_way or (left if followed_by(data) is not None else None)
    if data is None:
        return f"it is missing: {target.pointer} names version {said.version}"
    return _contradiction(target, said, data, registers)


def _contradiction(
    target: Target, said: Held, data: bytes, registers: Callable[[str, str], bool]
) -> str | None:
    commit = commit_in(data)
    if commit is not None:
        if not registers(commit, layout.manifest_path(target.model, said.version)):
            return f"{commit[:9]} did not register {target.model}@{said.version}"
        said = replace(said, commit=commit)
    if data != target.render.content(said):
        return f"it does not say what {target.pointer} says: version {said.version}"
    return None


def obstacle(snapshot: Snapshot, path: str) -> str | None:
    """Return what in a commit is in the way of a file, ``None`` when it can be written."""
    *above, name = path.split("/")
    for depth, part in enumerate((*above, name)):
        folder = "/".join(above[:depth])
        names = snapshot.list(folder)
        twin = next((one for one in names if one != part and fold(one) == fold(part)), None)
        if twin is not None:
            return f"{'/'.join((*above[:depth], twin))} differs from it only by case"
        place = "/".join((*above[:depth], part))
        is_file = depth == len(above)
        if part in names and not is_file and not snapshot.list(place):
            return f"{place} is no folder"
        if part in names and is_file and snapshot.read(place) is None:
            return f"{place} is no file"
    return None
