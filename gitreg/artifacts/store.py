"""The bytes of versions: into DVC's cache, onto its remote, and out into a folder, verified."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from gitreg.artifacts.lineage import TrackedOutput
from gitreg.artifacts.materialise import check_delivered, deliver
from gitreg.artifacts.remote_in_tree import configs, md5_and_members, remote_in_tree
from gitreg.artifacts.source import Source
from gitreg.core.model import layout
from gitreg.core.model.model import Artifact, ModelVersion
from gitreg.core.state.state import RegistryState, Snapshot
from gitreg.dvc import Audit, DvcProject, Member, digest
from gitreg.dvc.digest import Progress, TreeDigest
from gitreg.dvc.foreign import default_remote, parse
from gitreg.dvc.old_hash import old_md5
from gitreg.dvc.remote import REPAIR
from gitreg.errors import DvcError, InvalidRequest, WorldError
from gitreg.git.copies import copies_folder
from gitreg.git.repository import GitRepository


class ArtifactStore:
    """The bytes of a registry's versions.

    Args:
        repository: the registry's.
        base: a folder with the repository's tree, if ``repository`` has none: a DVC remote may be a
            path relative to it.
        place: the folder that names the repository among gitreg's copies; its own by default.
    """

    def __init__(
        self, repository: GitRepository, base: Path | None = None, place: Path | None = None
    ) -> None:
        self._repository = repository
        self._base = base
        self._place = place
        self._projects: dict[str | None, DvcProject] = {}

    def with_cache(self, place: Path) -> ArtifactStore:
        """Return a store of the same versions; without a clone's cache it has its own for a place.

        That cache is in `copies_folder` of the place; whoever names the place may remove it.
        """
        return ArtifactStore(self._repository, self._base, place)

    def project(self, snapshot: Snapshot) -> DvcProject:
        """Return the DVC project: the work tree's, or one made from the configuration in Git.

        That is the registry's own, inside the user's. In a registry of the former layout, it is the
        user's.
        """
        top = self._repository.top_level
        if top is None:
            return self._once(snapshot.commit, lambda: self._foreign(snapshot))
        if self._is_nested:
            return self._once(None, lambda: self._of_the_registry(top))
        if snapshot.read(layout.DVC_CONFIG) is not None:  # HEAD is of the former layout
            return self._once(snapshot.commit, lambda: self._foreign(snapshot, DvcProject(top)))
        return self._once(None, lambda: self._of_the_user(top))

    @cached_property
    def _is_nested(self) -> bool:
        """Whether the work tree's registry is a DVC project of its own."""
        top = self._repository.top_level
        if top is not None and (top / layout.DVC_CONFIG).is_file():
            return True
        self._refuse_lost(layout.DVC_CONFIG)
        return False

    def _of_the_registry(self, top: Path) -> DvcProject:
        around = DvcProject(top) if (top / ".dvc").is_dir() else None
        project = DvcProject(top / layout.ROOT, around)
        if around is None and project.remote_name() is None:
            self._refuse_lost(layout.PROJECT_CONFIG)
        return project

    def _of_the_user(self, top: Path) -> DvcProject:
        self._refuse_lost(layout.PROJECT_CONFIG)
        return DvcProject(top)

    def _once(self, key: str | None, make: Callable[[], DvcProject]) -> DvcProject:
        if key not in self._projects:
            self._projects[key] = make()
        return self._projects[key]

    def _refuse_lost(self, config: str) -> None:
        """Refuse to work without a configuration that HEAD has: it names the DVC remote."""
        restore = self._repository.how_to_restore(config)
        if restore is not None:
            raise DvcError(f"{config} is in Git but not in the work tree", hint=restore)

    def _foreign(self, snapshot: Snapshot, around: DvcProject | None = None) -> DvcProject:
        found = dict(configs(snapshot))
        if not found:
            raise DvcError(
                f"this repository has no {layout.DVC_CONFIG}: its artifacts cannot be found"
            )
        folder = self._own_folder()
        project = around
        for path, config in reversed(found.items()):
            # A relative remote inside the repository's tree is copied out of Git. Any other
            # relative remote means nothing without the checkout that it is relative to.
            in_tree = remote_in_tree(path, config) is not None
            base = (
                self._repository.top_level or self._base or (folder / "tree" if in_tree else None)
            )
            if around is not None and path == layout.PROJECT_CONFIG:
                continue
            place = base and (base / layout.ROOT if path == layout.DVC_CONFIG else base)
            project = DvcProject.from_config(folder / "dvc", config, place, project)
        assert project is not None
        return project

    def _own_folder(self) -> Path:
        return copies_folder(str(self._place or self._repository.common_dir))

    # In

    def take(
        self, source: Source, project: DvcProject, progress: Progress | None = None
    ) -> Artifact:
        """Bring the bytes of a source into the cache; return the artifact.

        An output that DVC tracks in this repository is taken by its known hash: it is read once,
        for the SHA-256, and linked from DVC's cache where the file system can.

        Raises:
            InvalidRequest: the work tree has other bytes than DVC recorded.
            DvcError: the bytes are neither in the work tree, the cache nor on the remote.
        """
        _check_old(source, progress)
        origin, tracked = self._origin(project, source), source.tracked
        if tracked is None or origin is None:
            return _artifact(source, project.stage(source.path, progress))
        found = _take_tracked(source.path, tracked, origin, progress)
        project.take_over(found.md5, origin)
        if not project.owns(found.md5):
            project.stage(source.path, progress)
        return _artifact(source, found)

    def measure(
        self, source: Source, project: DvcProject, progress: Progress | None = None
    ) -> Artifact:
        """Return the artifact that a source would become; its bytes are neither copied nor fetched.

        Raises:
            InvalidRequest: the bytes are neither in the work tree nor in the cache.
        """
        _check_old(source, progress)
        if source.path.exists():
            return _artifact(source, digest.hash_tree(source.path, progress, as_source=True))
        origin, tracked = self._origin(project, source), source.tracked
        if origin is None or tracked is None or origin.missing(tracked.md5):
            raise InvalidRequest(
                f"{source.path} is neither in the work tree nor in DVC's cache",
                hint="dvc pull brings it",
            )
        return _artifact(source, origin.digest(tracked.md5, progress))

    def _origin(self, project: DvcProject, source: Source) -> DvcProject | None:
        """Return the project of this repository that has the objects of what DVC tracks.

        That is the registry's, if it has them already, else the one that tracks them; ``None`` for
        what no project of this repository tracks. What DVC 2 recorded is not the name of an object.
        """
        if source.tracked is None or source.tracked.is_old:
            return None
        root, top = source.tracked.dvc_root.resolve(), self._repository.top_level
        if top is None or not root.is_relative_to(top.resolve()):
            return None
        if root == project.root.resolve() or project.owns(source.tracked.md5):
            return project
        around = project.around
        return around if around and root == around.root.resolve() else DvcProject(root)

    def move_in(self, state: RegistryState, progress: Progress | None = None) -> tuple[str, ...]:
        """Bring the bytes of all versions into the registry's own cache and onto its own remote.

        For a registry whose versions were in the project around it.

        Returns:
            A warning, if the remote does not have all of them afterwards.

        Raises:
            DvcError: the cache cannot be written.
        """
        project = self.project(state.snapshot)
        md5s = [
            _md5(state.version(model, number))
            for model in state.model_names()
            for number in state.versions(model)
        ]
        if project.around is None or not md5s:
            return ()
        for md5 in md5s:
            project.take_over(md5, project.around)
        if project.remote_name() is None:
            return ()
        try:
            self._refuse_private_remote(state.snapshot)
            project.push(md5s, progress)
        except DvcError as error:
            warning = (
                f"the registry's DVC remote does not have all bytes yet ({error}): before the next "
                f"`dvc gc --cloud`, {REPAIR}"
            )
            return (warning,)
        return ()

    # Out

    def audit(
        self,
        snapshot: Snapshot,
        versions: Iterable[ModelVersion],
        progress: Progress | None = None,
    ) -> dict[str, Audit]:
        """Return what the DVC remote has of versions, by the MD5s of their artifacts.

        Raises:
            DvcError: there is no remote, or it cannot be reached or read.
        """
        md5s = []
        for version in versions:
            self._lend(snapshot, _md5(version))
            md5s.append(_md5(version))
        return self.project(snapshot).audit(md5s, progress) if md5s else {}

    def repair(
        self, snapshot: Snapshot, audits: Mapping[str, Audit], progress: Progress | None = None
    ) -> dict[str, Audit]:
        """Upload faulty objects that the cache has; return new audits of all.

        Raises:
            DvcError: the remote cannot be reached, read or written.
        """
        return self.project(snapshot).repair(audits, progress) if audits else {}

    def send(
        self,
        state: RegistryState,
        versions: Iterable[tuple[str, int]],
        progress: Progress | None = None,
    ) -> None:
        """Put the bytes of versions on the DVC remote, with the predictions of their evaluations.

        Other versions are not checked.

        Raises:
            DvcError: there is no remote, or it does not have the bytes afterwards.
        """
        sent = set(versions)
        found = [state.version(model, version) for model, version in sorted(sent)]
        names = [_md5(version) for version in found]
        names += [
            evaluation.predictions.md5
            for version in found
            for evaluation in version.evaluations.values()
            if evaluation.predictions is not None
        ]
        if names:
            self._push(state, names, sent, progress)

    def send_ahead(
        self, state: RegistryState, artifact: Artifact, progress: Progress | None = None
    ) -> None:
        """Put bytes on the DVC remote that no version names yet, before the lock is taken.

        A large upload then blocks nobody; `send` finds the bytes there.

        Raises:
            DvcError: there is no remote, or it does not have the bytes afterwards.
        """
        assert artifact.md5 is not None
        # Whether a missing folder may be created depends on what is published: `send` decides.
        if self.project(state.snapshot).missing_folder() is None:
            self._push(state, [artifact.md5], set(), progress)

    def _push(
        self,
        state: RegistryState,
        names: Sequence[str],
        sent: set[tuple[str, int]],
        progress: Progress | None,
    ) -> None:
        try:
            self._refuse_private_remote(state.snapshot)
            self._refuse_missing_folder(state, sent)
            self.project(state.snapshot).push(names, progress)
        except WorldError as error:
            raise DvcError(f"{error}; nothing was published", hint=error.hint) from error

    def _refuse_missing_folder(self, state: RegistryState, sent: set[tuple[str, int]]) -> None:
        """Refuse to create the missing folder of a remote in use: it may not be mounted.

        Raises:
            DvcError: the folder is missing, and earlier versions should be in it.
        """
        project = self.project(state.snapshot)
        folder, top = project.missing_folder(), self._repository.top_level
        if folder is None or (top is not None and folder.is_relative_to(top)):
            return  # a folder in the repository's own tree comes and goes with it
        if any(
            (model, number) not in sent
            for model in state.model_names()
            for number in state.versions(model)
        ):
            raise DvcError(
                f"DVC remote {project.remote_name()} is the folder {folder}, which is not there, "
                "although it should have earlier versions: is it mounted?",
                hint=f"if it is a new one: mkdir -p {folder} && gitreg verify --remote --repair",
            )

    def _refuse_private_remote(self, snapshot: Snapshot) -> None:
        """Refuse a remote that the commit does not name: no clone would find the bytes there.

        Raises:
            DvcError: the default remote is in an uncommitted configuration, in ``config.local``
                or in the user's own configuration; or one of these replaces the committed one.
        """
        top = self._repository.top_level
        name = self.project(snapshot).remote_name() if top is not None else None
        if top is None or name is None:
            return
        committed = {path: default_remote(config) for path, config in configs(snapshot)}
        named = next(filter(None, committed.values()), None)
        if named == name.lower():
            return
        for path in committed or (layout.DVC_CONFIG,):
            here = top / path
            if here.is_file() and default_remote(here.read_bytes()) == name.lower():
                raise DvcError(
                    "the DVC remote is not committed: other clones would not find the bytes",
                    hint=f"git add {path} && git commit, then run it again",
                )
        if named is not None:
            raise DvcError(
                f"the default DVC remote is {name} on this machine only, and {named} for other "
                "clones, which would not find the bytes",
                hint=f"dvc {_chosen_in(top, name)}config --local --unset core.remote "
                "(or --global, if it is set there)",
            )
        is_own = self.project(snapshot).names_its_remote and layout.DVC_CONFIG in committed
        path = layout.DVC_CONFIG if is_own else layout.PROJECT_CONFIG
        folder = f"--cd {layout.ROOT} " if is_own else ""
        raise DvcError(
            f"the DVC remote {name} is configured on this machine only, as in {path}.local: "
            "other clones would not find the bytes",
            hint=f"dvc {folder}remote add --force --default {name} URL && git commit {path}; "
            "passwords and keys stay in config.local",
        )

    def require(self, snapshot: Snapshot, version: ModelVersion) -> None:
        """Refuse a version whose bytes are neither in the cache nor on the remote.

        Raises:
            DvcError: the bytes are in neither place, or the remote cannot be reached.
        """
        if self.is_gone(snapshot, version):
            raise DvcError(
                f"the bytes of {version.reference} are neither in the DVC cache nor on the remote",
                hint=f"nothing was changed; {REPAIR}",
            )

    def is_on_remote(self, snapshot: Snapshot, md5: str) -> bool | None:
        """Tell whether an artifact is complete on the DVC remote; ``None`` without a remote.

        Raises:
            DvcError: the remote cannot be reached.
        """
        self._lend(snapshot, md5)
        project = self.project(snapshot)
        return None if project.remote_name() is None else not project.not_on_remote([md5])

    def files(self, snapshot: Snapshot, md5: str) -> list[str] | None:
        """Return the paths of a folder's files; ``None`` if its listing cannot be found.

        Raises:
            DvcError: the remote cannot be reached, or the listing breaks a rule.
        """
        members = self.members(snapshot, md5)
        return None if members is None else [member.path for member in members]

    def read(self, snapshot: Snapshot, md5: str, limit: int) -> bytes:
        """Return a file's bytes, checked, from the cache or the remote.

        Raises:
            DvcError: they cannot be fetched, are damaged, or are more than ``limit``.
        """
        project = self.project(snapshot)
        self._lend(snapshot, md5)
        project.discard(project.damaged(project.fetch(md5)))
        path = project.cache_path(md5)
        if project.damaged([md5]) or path.stat().st_size > limit:
            raise DvcError(f"{path} is damaged, or larger than {limit} bytes", hint=REPAIR)
        return path.read_bytes()

    def members(self, snapshot: Snapshot, md5: str) -> Sequence[Member] | None:
        """Return the files of a folder with their hashes; see `files`."""
        self._lend(snapshot, md5)
        return self.project(snapshot).members_anywhere(md5)

    def is_cached(self, snapshot: Snapshot, version: ModelVersion) -> bool:
        """Tell whether a version can be delivered without a download; no remote is asked."""
        try:
            return not self.project(snapshot).missing(_md5(version))
        except DvcError:
            return False  # `deliver` reports a damaged listing

    def is_gone(self, snapshot: Snapshot, version: ModelVersion) -> bool:
        """Tell whether a version's bytes are neither in the cache nor on the remote.

        Raises:
            DvcError: the remote cannot be reached.
        """
        self._lend(snapshot, _md5(version))
        return not self.project(snapshot).available(_md5(version))

    def deliver(
        self,
        snapshot: Snapshot,
        version: ModelVersion,
        destination: Path | None,
        *,
        replace: bool = False,
        progress: Progress | None = None,
    ) -> Path:
        """Copy a version's bytes, verified, into a folder; return the path of the artifact.

        Args:
            snapshot: the commit that the version was read from.
            version: which.
            destination: the folder to put the artifact in; ``None`` for the version's own.
            replace: whether something else of that name may be replaced.
            progress: called with the bytes done.

        Raises:
            DvcError: the bytes cannot be fetched, or differ from the manifest.
            InvalidRequest: something else of that name is in the folder.
        """
        project = self.project(snapshot)
        self._lend(snapshot, _md5(version))
        fetched = project.fetch(_md5(version), progress)
        folder = destination or self.own_place(version).parent
        return deliver(
            project,
            version.artifact,
            folder / version.artifact.path,
            fetched,
            # The version's own place belongs to gitreg: changes there are overwritten.
            replace=replace or destination is None,
            progress=progress,
        )

    def own_place(self, version: ModelVersion) -> Path:
        """Return where a version's bytes are put by default."""
        root = self._repository.top_level or self._own_folder() / "artifacts"
        return root / layout.version_path(version.model, version.version, version.artifact.path)

    def differences(self, snapshot: Snapshot, version: ModelVersion) -> Iterator[str]:
        """Yield the faults of a version's bytes, in the cache and in the place they are pulled to.

        Raises:
            DvcError: the bytes cannot be fetched.
        """
        project = self.project(snapshot)
        md5 = _md5(version)
        self._lend(snapshot, _md5(version))
        fetched = project.fetch(md5)
        for member in project.verify_cached(version.artifact.sha256, md5):
            yield f"DVC cache: {member}"
        project.discard(project.damaged(fetched))
        place = self.own_place(version)
        if place.exists():
            for member in check_delivered(place, version.artifact, project):
                yield f"{place}: {member}"

    def _lend(self, snapshot: Snapshot, md5: str) -> None:
        """Copy an artifact's objects out of Git, if the DVC remote is inside the repository's tree.

        A registry may keep small artifacts in a DVC remote that is a folder of the repository
        itself. A registry that is read by URL has no such folder, but the commit has its files.
        """
        if self._repository.top_level or self._base:
            return
        for path, config in configs(snapshot):
            folder = remote_in_tree(path, config)
            if folder is not None:
                self._lend_from(folder, snapshot, md5)

    def _lend_from(self, folder: str, snapshot: Snapshot, md5: str) -> None:
        objects = md5_and_members(snapshot, folder, md5)
        paths = [f"{folder}/files/md5/{oid[:2]}/{oid[2:]}" for oid in objects]
        paths = [path for path in paths if not (self._own_folder() / "tree" / path).exists()]
        for path, content in zip(paths, snapshot.read_many(paths), strict=True):
            target = self._own_folder() / "tree" / path
            if content is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary = target.with_name(f".{target.name}.gitreg")
                temporary.write_bytes(content)
                temporary.replace(target)


def _md5(version: ModelVersion) -> str:
    assert version.artifact.md5 is not None
    return version.artifact.md5


def _chosen_in(top: Path, name: str) -> str:
    """Return the option that takes DVC to the project whose ``config.local`` names a remote."""
    own = top / f"{layout.DVC_CONFIG}.local"
    core = parse(own.read_bytes()).get("core") if own.is_file() else None
    is_own = isinstance(core, dict) and str(core.get("remote")).lower() == name.lower()
    return f"--cd {layout.ROOT} " if is_own else ""


def _take_tracked(
    path: Path, tracked: TrackedOutput, origin: DvcProject, progress: Progress | None
) -> TreeDigest:
    """Return the digest of an output; fetch it if the work tree does not have it itself."""
    if not path.exists() or _is_linked(path):
        origin.fetch(tracked.md5, progress)
        return origin.digest(tracked.md5, progress)
    found = digest.hash_tree(path, progress, as_source=True)
    if found.md5 != tracked.md5:
        raise _differs(path, tracked)
    return found


def _check_old(source: Source, progress: Progress | None) -> None:
    """Refuse a source that is not, or is no longer, what DVC 2 recorded.

    Raises:
        InvalidRequest: the work tree does not have it, or has other bytes.
    """
    tracked = source.tracked
    if tracked is None or not tracked.is_old:
        return
    if not source.path.exists():
        raise InvalidRequest(
            f"{source.path} is not in the work tree, and DVC 2 recorded it: its bytes must be here",
            hint="dvc pull brings it",
        )
    found = digest.hash_tree(source.path, progress, as_source=True)
    if tracked.md5 not in (found.md5, old_md5(source.path)):
        raise _differs(source.path, tracked)


def _differs(path: Path, tracked: TrackedOutput) -> InvalidRequest:
    return InvalidRequest(
        f"{path}: differs from what {tracked.origin} records",
        hint="dvc repro, dvc commit or dvc add brings the record up to date",
    )


def _artifact(source: Source, found: TreeDigest) -> Artifact:
    return Artifact(source.artifact_name, found.size, found.files, found.sha256, found.md5)


def _is_linked(path: Path) -> bool:
    """Tell whether DVC checked a path out as symbolic links into its cache."""
    if path.is_symlink():
        return True
    return path.is_dir() and any(below.is_symlink() for below in path.rglob("*"))
