"""pin: read every part that a config names, keep it, and write down which bytes make the model."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from registry.core.binding import LABEL, Proof, check_bound, missing, read_proof
from registry.core.codebase import NAME, commit_blob, is_label, repo_pin
from registry.core.config import Config
from registry.core.digest import Digest
from registry.core.document import did_you_mean
from registry.core.heldout.suite import suite_of
from registry.core.manifest import Environment, Manifest, Tools
from registry.core.pin import Pin, Source
from registry.core.reference import AmbiguousArtefact, Known, Registered, UnknownArtefact, resolve
from registry.core.tree import Tree
from registry.errors import Refused, UsageError
from registry.ports import Codebase, Found, Sources, Store
from registry.verbs.gather import PICKLES, Gathered, InSuite, gather
from registry.verbs.shelve import Shelf

SUITE = "manifests/heldout"
LOCK = "dvc.lock"
PLACE = "manifests"


class DirtyTree(Refused):
    """The working tree is not what is committed, so nobody else could make this model again."""


class Misplaced(UsageError):
    """A config lies where its manifest cannot lie beside it."""


class NotCommitted(Refused):
    """The last commit does not have this config, or another one in its place."""


class OtherCommit(Refused):
    """A config names a commit that is not the one checked out, and yet reads files that are."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """A model that is whole in the store: what to write to `manifests/NAME.lock.json`, and what to register.

    `pins` are the artefacts to make known, `evidence` the digests of the evidence for this manifest.
    """

    manifest: Manifest
    pins: tuple[Pin, ...]
    evidence: tuple[Digest, ...]

    @property
    def lock(self) -> bytes:
        """The exact bytes of the lock file."""
        return self.manifest.canonical()


def pin(
    config: Config,
    *,
    sources: Sources,
    codebase: Codebase,
    store: Store,
    state: Known,
    environment: Callable[[], Environment],
    suite: str = SUITE,
    pickles: Collection[str] = PICKLES,
) -> Pinned:
    """Resolve all that `config` names, keep every byte of it, and make the manifest: the same inputs, the same bytes.

    Nothing is registered here. When this returns, every blob is in `store`, the manifest last.

    Args:
        config: What a person wrote.
        sources: Where locations are looked up.
        codebase: The git repository of the workspace.
        store: Where the bytes are kept.
        state: What is registered already.
        environment: Says where this process runs; asked only if there is no evidence to say where the work was done.
        suite: Where the held-out suite is if the config does not say; it may be missing.
        pickles: Suffixes of files to refuse.

    Raises:
        DirtyTree: Something is not committed.
        Faults: Everything in the config that leads nowhere, to several things, or to something unfit; or everything
            that is wrong with the suite.
        OtherCommit: `repo_sha` is not HEAD, but files of the working tree are read.
        StaleLock: `dvc repro` would make something else.
        IntegrityError: Bytes are not what dvc.lock, the Hub, git or the evidence says.
        ForeignEvidence: The evidence is about another model, suite or verifier.
    """
    check_clean(codebase)
    gathered = gather(config, sources=sources, state=state, suite=suite, pickles=pickles)
    repo = find_commit(config.repo_sha, codebase=codebase, state=state)
    _check_commit(repo, gathered, codebase)
    shelf = Shelf(store, state)
    proof = _keep_proof(gathered.evidence, shelf) if gathered.evidence else None
    manifest = _assemble(
        config,
        gathered,
        shelf=shelf,
        repo=repo,
        dvc_lock=_keep_lock(codebase, store) if "dvc" in gathered.kinds else None,
        environment=proof.evidence.environment if proof else environment(),
    )
    if proof:
        check_bound(proof.evidence, manifest)
    store.put(manifest.canonical())
    return Pinned(manifest, tuple(dict.fromkeys(manifest.pins)), (proof.digest,) if proof else ())


def check_clean(codebase: Codebase) -> None:
    """Refuse a working tree that differs from what is committed.

    Raises:
        DirtyTree: With the first few paths.
    """
    dirty = codebase.dirty()
    if not dirty:
        return
    more = f" and {len(dirty) - 5} more" if len(dirty) > 5 else ""
    is_lock = any(path.split("/")[-1] == LOCK for path in dirty)
    mend = f"commit {LOCK} with the rest, and pin again" if is_lock else "commit, or `git stash -u`, and pin again"
    raise DirtyTree("the git tree is not clean", why=f"not committed: {', '.join(dirty[:5])}{more}", mend=mend)


def check_place(path: str) -> None:
    """Refuse a config that does not lie in `manifests/` itself; `path` counts from the workspace's root.

    Raises:
        Misplaced: Its manifest would be written where git and `pin` take it for a change of the code.
    """
    directory, _, name = path.rpartition("/")
    if directory != PLACE or not name:
        why = f"its lock file is written beside it, and only those in {PLACE}/ itself are no change of the code"
        raise Misplaced(f"{path} is no place for a config", why=why, mend=f"move it into {PLACE}/ and commit it")


def check_committed(path: str, data: bytes, codebase: Codebase) -> None:
    """Refuse a config whose bytes `data` are not those that the last commit has at `path`.

    Raises:
        NotCommitted: It is new, changed, or ignored by git; nobody else could make this model.
    """
    committed = codebase.committed(path)
    if committed is None:
        mend = f"run `git add -f {path}` and commit, and pin again"
        raise NotCommitted(f"{path} is not committed", why="nobody else could make this model", mend=mend)
    if committed != data:
        mend = "commit it, and pin again; if git converts line ends, put `manifests/* -text` into .gitattributes"
        raise NotCommitted(f"{path} is not committed as it is", why="the last commit has other bytes", mend=mend)


def find_commit(text: str | None, *, codebase: Codebase, state: Known) -> Pin:
    """The pin that a config's `repo_sha` names: HEAD where it is absent, a registered label, or a git revision.

    Raises:
        UnknownArtefact: It is none of these.
        AmbiguousArtefact: It is a label of one commit and a git revision of another.
    """
    if text in (None, "HEAD"):
        return repo_pin(codebase.head())
    assert text is not None
    reference = _registered(text)
    if reference is not None and state.artefacts("repo", reference.name):
        return resolve(reference, "repo", state)
    labelled = {one.source.revision: one for one in state.artefacts("repo", NAME) if one.label == text}
    if (commit := codebase.resolve(text)) is not None:
        labelled.setdefault(commit, repo_pin(commit, text if _is_label(text, commit, codebase) else None))
    if len(labelled) > 1:
        commits = ", ".join(sorted(str(one)[:12] for one in labelled))
        why = f"a registered label, which never moves, and what git has now: {commits}"
        mend = "write the commit itself, or another label or tag"
        raise AmbiguousArtefact(f"repo_sha: {text} is ambiguous", why=why, mend=mend)
    if not labelled:
        labels = {one.label for one in state.artefacts("repo", NAME) if one.label}
        mend = did_you_mean(text, labels) or "run `git fetch --tags`, or leave repo_sha out for HEAD"
        raise UnknownArtefact(f"repo_sha: there is no commit {text!r}", why="no tag, branch or label", mend=mend)
    return next(iter(labelled.values()))


def _is_label(text: str, commit: str, codebase: Codebase) -> bool:
    """Whether `text` may be registered as the label of `commit`: a tag. A branch moves, and a label never does."""
    return is_label(text) and not commit.startswith(text) and codebase.resolve(f"refs/tags/{text}") == commit


def _registered(text: str) -> Registered | None:
    """`name@short`, if `text` is that and not a git revision with an @ in it."""
    name, at, label = text.partition("@")
    return Registered(name, label) if at and is_label(label) and is_label(name) else None


def _check_commit(repo: Pin, gathered: Gathered, codebase: Codebase) -> None:
    """Refuse to call files of the working tree part of another commit."""
    commit = repo.source.revision or ""
    if not gathered.kinds & {"path", "dvc"} or commit in {codebase.head(), codebase.resolve("HEAD")}:
        return
    files = next(found.source.location for found in gathered.founds if found.source.kind in {"path", "dvc"})
    why = f"{files} is read from the working tree, which is at {codebase.head()[:12]}"
    mend = f"check {commit[:12]} out, leave repo_sha out, or write `git+.@{repo.label or commit[:12]}#{files}`"
    raise OtherCommit(f"repo_sha is {commit[:12]}, which is not checked out", why=why, mend=mend)


def _keep_proof(found: Found, shelf: Shelf) -> Proof:
    """Keep the evidence and check that it is whole."""
    if LABEL not in {file.path for file in found.files}:
        raise missing(LABEL)
    tree = shelf.keep_files(found)
    digest = next(entry.digest for entry in tree.entries if entry.path == LABEL)
    return read_proof(tree, shelf.store.get(digest))


def _keep_suite(found: Found, shelf: Shelf) -> Tree:
    """Keep the suite, and refuse one that no evaluation could read."""
    tree = shelf.keep_files(found)
    suite_of({entry.path: shelf.store.get(entry.digest) for entry in tree.entries})
    return tree


def _keep_lock(codebase: Codebase, store: Store) -> Digest | None:
    """Keep `dvc.lock` as it is committed; there may be none where only `.dvc` files are."""
    data = codebase.committed(LOCK)
    return store.put(data) if data is not None else None


def _assemble(
    config: Config, gathered: Gathered, *, shelf: Shelf, repo: Pin, dvc_lock: Digest | None, environment: Environment
) -> Manifest:
    """Keep every part, and make the manifest of the pins."""
    kept = {key: tuple(shelf.keep(part) for part in parts) for key, parts in gathered.parts.items()}
    one = {key: next(iter(pins), None) for key, pins in kept.items()}
    suite = _keep_suite(gathered.suite, shelf) if gathered.suite else None
    shelf.store.put(commit_blob(repo.source.revision or ""))
    return Manifest(
        name=config.name,
        llm_sha=kept["llm_sha"][0],
        adapters=kept["adapters"],
        input_sha=one["input_sha"],
        tokenizer_sha=kept["tokenizer_sha"][0],
        sampling=dict(config.sampling),
        reward_model_sha=one["reward_model_sha"],
        verifiers=kept["verifiers"],
        tools=Tools(versions=dict(config.tools), fixtures=_fixtures(gathered, suite, shelf)),
        routes=dict(config.routes),
        datasets=kept["datasets"],
        suite=suite.digest if suite else None,
        repo_sha=repo,
        dvc_lock=dvc_lock,
        environment=environment,
    )


def _fixtures(gathered: Gathered, suite: Tree | None, shelf: Shelf) -> Pin | None:
    match gathered.fixtures:
        case None:
            return None
        case InSuite(path):
            assert suite is not None
            assert gathered.suite is not None
            entry = next(entry for entry in suite.entries if entry.path == path)
            place = gathered.suite.source
            # why: DVC's word for the whole suite is not its word for one file of it; git's commit is.
            revision = place.revision if place.kind in {"git", "hf"} else None
            source = Source(kind=place.kind, location=f"{place.location}/{path}", revision=revision)
            return shelf.keep_one(entry, "fixture", source=source)
        case part:
            return shelf.keep(part)
