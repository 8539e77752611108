"""The published config, from the labels that it needs to the card that comes back, through a real ledger."""

import json
from dataclasses import dataclass, field

import pytest

from registry.adapters.sources.workspace import WorkspaceSources
from registry.adapters.stores.memory import MemoryStore
from registry.core.config import parse_config
from registry.core.digest import digest_of
from registry.core.ledger.views import State
from registry.core.pin import Pin
from registry.core.reference import AmbiguousArtefact, UnknownArtefact
from registry.core.tree import Tree
from registry.errors import Faults, IntegrityError, UsageError
from registry.verbs.add import Addable, add, add_commit
from registry.verbs.gather import PickleRefused
from registry.verbs.pin import Pinned, pin
from registry.verbs.register import Model, register
from registry.verbs.shelve import LabelTaken
from registry.verbs.show import NotShown, card, show
from tests.ledger.desk import ALICE, Desk, TickingClock
from tests.pin.project import HERE, Project
from tests.pin.test_config import VERBATIM

PARTS: dict[str, Addable] = {
    "LLM@abc123": "llm",
    "lora_med_safety_v2@e91f": "adapter",
    "lora_math_v1@bb07": "adapter",
    "INPUT@p1e3": "input",
    "TOK@t99": "tokenizer",
    "RM_EVAL@9af2": "reward_model",
}


@dataclass
class Team:
    """A project, a store and a ledger, and what people do with them."""

    project: Project
    desk: Desk = field(default_factory=Desk)
    store: MemoryStore = field(default_factory=MemoryStore)
    clock: TickingClock = field(default_factory=TickingClock)

    @property
    def sources(self) -> WorkspaceSources:
        """What can be read."""
        return self.project.sources()

    @property
    def state(self) -> State:
        """What the ledger says."""
        return self.desk.state

    def register(self, *pins: Pin, model: Model | None = None) -> int:
        """Register; how many entries it took."""
        done = register(
            model,
            pins,
            ledger=self.desk.ledger,
            genesis=self.desk.genesis,
            signer=ALICE,
            clock=self.clock,
            actor="alice",
        )
        return len(done.links)

    def add(self, role: Addable, text: str) -> Pin:
        """Keep an artefact and register it."""
        found = add(role, text, sources=self.sources, store=self.store, state=self.state)
        self.register(found)
        return found

    def pin(self, text: str, file: str) -> Pinned:
        """Pin a config's text."""
        sources = self.sources
        return pin(
            parse_config(text.encode(), file),
            sources=sources,
            codebase=sources.codebase,
            store=self.store,
            state=self.state,
            environment=lambda: HERE,
            suite="nothing/here",
        )


@pytest.fixture
def team(plain: Project) -> Team:
    """Everything that the published config names, registered under its labels."""
    found = Team(plain)
    for text, role in PARTS.items():
        name = text.split("@")[0]
        plain.write(f"models/{name}/content.json", name)
        found.add(role, f"{text}=models/{name}")
    plain.write("models/search_v3.json", "{}")
    found.add("fixture", "models/search_v3.json")
    plain.commit()
    sources = found.sources
    commit = add_commit("GIT_SHA_CODEBASE_V3", "HEAD", codebase=sources.codebase, store=found.store, state=found.state)
    found.register(commit)
    return found


def test_the_published_config_comes_back_as_its_card(team: Team) -> None:
    """Key for key, in the order in which people write them, and pinned again it is the same model."""
    pinned = team.pin(VERBATIM, "assistant.json")
    team.register(*pinned.pins, model=Model("assistant", pinned.manifest.digest))
    found = card("assistant", state=team.state, store=team.store)

    assert json.loads(VERBATIM) == found
    assert list(json.loads(VERBATIM)) == list(found)
    assert pinned.lock == team.pin(json.dumps(found), "assistant.json").lock


def test_the_same_pin_twice_is_one_entry(team: Team) -> None:
    """Registering what is known writes nothing."""
    pinned = team.pin(VERBATIM, "assistant.json")
    first = team.register(*pinned.pins, model=Model("assistant", pinned.manifest.digest))
    again = team.pin(VERBATIM, "assistant.json")
    second = team.register(*again.pins, model=Model("assistant", again.manifest.digest))

    assert (1, 0) == (first, second)


def test_a_registered_commit_may_be_older_than_head(team: Team) -> None:
    """Nothing is read from the working tree, so it need not be checked out."""
    before = team.pin(VERBATIM, "assistant.json")
    team.project.write("README.md", "words")
    team.project.commit()

    assert before.lock == team.pin(VERBATIM, "assistant.json").lock


def test_a_label_and_a_tag_that_disagree_are_ambiguous(team: Team) -> None:
    """Neither is preferred."""
    team.project.write("README.md", "words")
    team.project.commit()
    team.project.git("tag", "GIT_SHA_CODEBASE_V3")

    with pytest.raises(AmbiguousArtefact, match="GIT_SHA_CODEBASE_V3") as caught:
        team.pin(VERBATIM, "assistant.json")
    assert "write the commit itself" in caught.value.mend


def test_the_published_config_works_with_a_tag_too(team: Team) -> None:
    """Nobody need register a commit that git has a name for; commit after commit, it stays the same model."""
    team.project.git("tag", "TAGGED")
    config = VERBATIM.replace("GIT_SHA_CODEBASE_V3", "TAGGED")
    found = []
    for number in range(3):
        pinned = team.pin(config, "assistant.json")
        team.register(*pinned.pins, model=Model("assistant", pinned.manifest.digest))
        team.project.write("README.md", str(number))
        team.project.commit()
        found.append(pinned)

    assert len({one.lock for one in found}) == 1
    assert json.loads(config) == card("assistant", state=team.state, store=team.store)


def test_a_branch_is_followed_and_never_becomes_a_label(team: Team) -> None:
    """It is another commit after each commit; the ledger keeps the commit and not the word."""
    config = VERBATIM.replace("GIT_SHA_CODEBASE_V3", "main")
    for number in range(3):
        pinned = team.pin(config, "assistant.json")
        team.register(*pinned.pins, model=Model("assistant", pinned.manifest.digest))

        assert pinned.manifest.repo_sha.label is None
        assert pinned.manifest.repo_sha.source.revision == team.project.git("rev-parse", "main").strip()
        team.project.write("README.md", str(number))
        team.project.commit()


def test_a_label_that_nobody_registered_is_told_with_the_candidates(team: Team) -> None:
    """All at once, with what is known under each name."""
    config = VERBATIM.replace("abc123", "abc124").replace("TOK@", "TOC@").replace("bb07", "bb08")

    with pytest.raises(Faults) as caught:
        team.pin(config, "assistant.json")
    told = str(caught.value)
    assert len(caught.value.faults) == 3
    for words in ("LLM@abc123", "did you mean 'TOK'?", "lora_math_v1@bb07"):
        assert words in told


def test_an_unknown_commit_names_the_nearest_label(team: Team) -> None:
    """Or how to leave it out."""
    with pytest.raises(UnknownArtefact) as caught:
        team.pin(VERBATIM.replace("CODEBASE_V3", "CODEBASE_V4"), "assistant.json")
    assert "did you mean 'GIT_SHA_CODEBASE_V3'?" in caught.value.mend


def test_a_label_never_moves(team: Team) -> None:
    """Other bytes need another label; the same bytes may have it again."""
    same = team.add("llm", "LLM@abc123=models/LLM")
    team.project.write("models/LLM/content.json", "other")

    assert same.label == "abc123"
    with pytest.raises(LabelTaken, match="LLM@abc123 is taken") as caught:
        team.add("llm", "LLM@abc123=models/LLM")
    assert caught.value.exit_code == 3


def test_a_commits_label_never_moves_either(team: Team) -> None:
    """A tag can; the ledger's cannot."""
    team.project.write("README.md", "words")
    team.project.commit()

    sources = team.sources
    with pytest.raises(LabelTaken):
        add_commit("GIT_SHA_CODEBASE_V3", "HEAD", codebase=sources.codebase, store=team.store, state=team.state)


def add_repo(team: Team, label: str, revision: str) -> Pin:
    """Give a commit a label."""
    return add_commit(label, revision, codebase=team.sources.codebase, store=team.store, state=team.state)


@pytest.mark.parametrize("label", ["HEAD", "main", "ORIG_HEAD", "v1", "origin/main", "HEAD~1", "", "@"])
def test_what_will_be_another_commit_is_no_label(team: Team, label: str) -> None:
    """HEAD and branches move on, a tag elsewhere is elsewhere already, and some words are no label at all."""
    team.project.git("tag", "v1", "HEAD~1")
    team.project.git("update-ref", "ORIG_HEAD", "HEAD")

    with pytest.raises(UsageError) as caught:
        add_repo(team, label, "HEAD")
    assert "registry add repo LABEL=" in caught.value.mend


def test_a_tag_a_commit_and_a_new_word_are_labels(team: Team) -> None:
    """None of them will mean another commit."""
    team.project.git("tag", "v2")
    commit = team.project.git("rev-parse", "HEAD").strip()

    for label in ("v2", commit[:10], "the-one"):
        assert (label, commit) == (add_repo(team, label, "HEAD").label, add_repo(team, label, "v2").source.revision)


@pytest.mark.parametrize("text", ["LLM@abc123", "LLM@abc123=nowhere", "=x", "hg:x"])
def test_only_what_can_be_read_is_added(team: Team, text: str) -> None:
    """A reference to something registered is no place to read."""
    with pytest.raises(UsageError):
        team.add("llm", text)


def test_pickles_are_not_added_either(team: Team) -> None:
    """They would run on every server."""
    team.project.write("models/x/pytorch_model.bin", "x")

    with pytest.raises(PickleRefused):
        team.add("llm", "x@1=models/x")


def test_a_registered_artefact_must_be_in_the_store(team: Team) -> None:
    """A name that leads nowhere makes no model; exit code 5."""
    llm = team.state.artefacts("llm", "LLM")[0]
    blob = Tree.parse(team.store.get(llm.digest)).entries[0].digest
    del team.store.blobs[blob]

    with pytest.raises(IntegrityError) as caught:
        team.pin(VERBATIM, "assistant.json")
    assert caught.value.exit_code == 5


# --- show -----------------------------------------------------------------------------------------------------------


def test_a_manifest_is_shown_by_any_of_its_names(team: Team) -> None:
    """Model, digest, and the start of the digest."""
    pinned = team.pin(VERBATIM, "assistant.json")
    team.register(*pinned.pins, model=Model("assistant", pinned.manifest.digest))
    digest = pinned.manifest.digest
    found = [show(ref, state=team.state, store=team.store) for ref in ("assistant", digest, digest[7:15])]

    assert {("manifest", digest)} == {(one.kind, one.digest) for one in found}
    assert pinned.lock == json.dumps(found[0].document, separators=(",", ":"), sort_keys=True).encode()


def test_an_entry_is_shown_by_its_number(team: Team) -> None:
    """Whatever it decided."""
    shown = show("#1", state=team.state, store=team.store)

    assert ("entry", "register") == (shown.kind, shown.document["action"])
    assert shown.digest == show("entry:1", state=team.state, store=team.store).digest
    with pytest.raises(NotShown, match="no entry 99"):
        show("#99", state=team.state, store=team.store)


def test_a_tree_and_a_commit_are_shown_by_digest_and_have_no_card(team: Team) -> None:
    """Only a manifest has one."""
    pins = {one.role: one for one in team.state.pins}

    assert show(pins["llm"].digest, state=team.state, store=team.store).kind == "tree"
    assert show(pins["repo"].digest, state=team.state, store=team.store).kind == "commit"
    with pytest.raises(NotShown, match="its kind is tree"):
        card(pins["llm"].digest, state=team.state, store=team.store)


@pytest.mark.parametrize("data", [b"weights", b"{not json", b'{"form":"other"}', b""])
def test_what_is_no_record_is_not_shown(team: Team, data: bytes) -> None:
    """The content of a file may be anything."""
    digest = team.store.put(data)

    with pytest.raises(NotShown, match="no record"):
        show(digest, state=team.state, store=team.store)


def test_a_blob_with_other_bytes_is_not_shown(team: Team) -> None:
    """What is read is verified."""
    pinned = team.pin(VERBATIM, "assistant.json")
    team.store.blobs[pinned.manifest.digest] = pinned.lock.replace(b"0.2", b"0.3")

    with pytest.raises(IntegrityError) as caught:
        show(pinned.manifest.digest, state=team.state, store=team.store)
    assert caught.value.exit_code == 5
    with pytest.raises(NotShown, match="there is no"):
        show(digest_of(b"nothing"), state=team.state, store=team.store)
