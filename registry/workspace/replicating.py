"""Keeping copies of a registry: pushing to other places, and fetching from them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import UsageError
from registry.workspace.place import Place
from registry.workspace.places import Where, find_place, hidden, leased, open_ledger, open_store
from registry.workspace.settings import SETTINGS, read_settings

if TYPE_CHECKING:
    from registry.ports import LedgerFile, Meter
    from registry.verbs.carry import Carried, Side


class UnknownRemote(UsageError):
    """It is no remote that the settings name, no URL and no directory."""


class Unmetered:
    """Nobody wants to know how far it is."""

    def expect(self, size_bytes: int) -> None:
        """Fine."""

    def moved(self, size_bytes: int) -> None:
        """Fine."""


class Replicating(Place):
    """What brings blobs and entries to other places and back."""

    def push(
        self, remote: str, refs: Sequence[str] = (), *, start: Path | None = None, meter: "Meter | None" = None
    ) -> "Carried":
        """Bring what is here to `remote`: everything, or the models `refs`; and the ledger's entries.

        Args:
            remote: The name of a remote in `registry.toml`, the URL of a place in a bucket, or a directory.
            refs: Models; everything that the ledger needs, if there are none.
            start: What a relative directory is seen from; the project's root if None.
            meter: Is told how far it is.
        """
        from registry.verbs.push import push

        there = self.there(remote, start)
        here = self._side(self.where, self.ledger)
        genesis = self.settings.genesis
        return push(refs, here=here, there=self._side(there), genesis=genesis, meter=meter or Unmetered())

    def fetch(
        self, remote: str, refs: Sequence[str] = (), *, start: Path | None = None, meter: "Meter | None" = None
    ) -> "Carried":
        """Bring what `remote` has here: everything, or the models `refs`; and the ledger's entries. As `push`."""
        from registry.verbs.fetch import fetch

        there = self.copy_at(remote, start)
        if isinstance(self.where, Path):
            hidden(self.where)
        genesis = self.settings.genesis
        # why not the watched ledger: entries that were lost here are what may be fetched. It looks afterwards.
        here = self._side(self.where)
        done = fetch(refs, here=here, there=self._side(there), genesis=genesis, meter=meter or Unmetered())
        self.ledger.read()
        return done

    def _side(self, where: Where, ledger: "LedgerFile | None" = None) -> "Side":
        from registry.verbs.carry import Side

        store = leased(open_store(where, self.cache, self.environment))
        return Side(store, ledger or open_ledger(where, self.environment))

    def copy_at(self, remote: str, start: Path | None) -> Where:
        """The place that `remote` means, which is not empty; raises as `there`, and `UnknownRemote` if it is."""
        there = self.there(remote, start)
        if isinstance(there, Path) and not there.is_dir():
            raise UnknownRemote(f"there is nothing at {there}", mend="name a directory that is there")
        return there

    def there(self, remote: str, start: Path | None) -> Where:
        """The place that `remote` means: the name of a remote, the URL of a bucket, or a directory seen from `start`.

        Raises:
            UnknownRemote: It is none of these, or a file.
            UsageError: It is where this registry is.
        """
        base = start or self.root
        if known := self.settings.remotes.get(remote):
            found = find_place(known.url, self.root, self.environment)
        elif "://" in remote:
            found = find_place(remote, base, self.environment)
        elif "/" in remote or remote in (".", "..") or (base / remote).is_dir():
            found = base / remote
        else:
            raise self._unknown(remote)
        if isinstance(found, Path) and (found / SETTINGS).is_file():
            # why: who names another clone of the project means what it keeps, not the project itself.
            found = find_place(read_settings(found / SETTINGS).place, found, self.environment)
        if isinstance(found, Path) and found.exists() and not found.is_dir():
            raise UnknownRemote(f"{found} is no directory", mend="name a directory, or the URL of a bucket")
        if _is_same(found, self.where):
            raise UsageError(f"{remote} is where this registry is", mend="name another place")
        return found

    def _unknown(self, remote: str) -> UnknownRemote:
        from difflib import get_close_matches

        near = get_close_matches(remote, self.settings.remotes, n=1)
        why = f"there is no [remotes.{remote}] in {SETTINGS}, and no directory of that name"
        mend = f"did you mean {near[0]}?" if near else f"name it there, or write a URL or a path, such as ./{remote}"
        return UnknownRemote(f"{remote!r} is no remote", why=why, mend=mend)


def _is_same(there: Where, here: Where) -> bool:
    if isinstance(there, Path) and isinstance(here, Path):
        return there.resolve() == here.resolve()
    return there == here
