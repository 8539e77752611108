"""The policy as people write it: YAML with names for keys, read with all its faults, written as it is read."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from registry.core.difference import compare
from registry.core.document import Document, read_document
from registry.core.ledger.envelope import key_id_of
from registry.core.ledger.names import nearest
from registry.core.ledger.policy import Policy
from registry.errors import RegistryError, UsageError

NOW = "now"
"""As the `revoked_from_index` of a key: from the next entry on."""

_HEX = re.compile(r"[0-9a-f]{12,64}")
_MAPPINGS = ("after", "keys", "roles", "rollback_targets")
_PARTS = ("stages", "after", "keys", "roles", "head", "formats", "rollback_targets")


@dataclass(slots=True)
class _Reading:
    """One policy file under reading; `ids` are the keys by the names that the file gives them."""

    document: Document
    current: Policy
    pem_at: Callable[[str], str]
    next_index: int
    ids: dict[str, str] = field(default_factory=dict)

    def key(self, name: str, node: yaml.Node) -> dict[str, Any] | None:
        """A key: an id of the policy in force, the path of a public key, or either with more said about it."""
        said = {"key": (node, node)}
        if isinstance(node, yaml.MappingNode):
            said = self.document.mapping(node, ("key", "revoked_from_index", "why"))
        if "key" not in said:
            self.document.fault(node, f"the key {name!r} is not told", mend="give its id or its file as `key:`")
            self.ids[name] = ""
            return None
        pem = self.document.attempt(said["key"][1], self._pem)
        self.ids[name] = key_id_of(pem) if pem else ""
        if pem is None:
            return None
        parts: dict[str, Any] = {"pem": pem, "owner": None if name == _anonymous(self.ids[name]) else name}
        if "revoked_from_index" in said:
            parts["revoked_from_index"] = self.document.attempt(said["revoked_from_index"][1], self._index)
        if "why" in said:
            parts["why"] = self.document.text(said["why"][1])
        return parts

    def _pem(self, text: str) -> str:
        if _HEX.fullmatch(text):
            found = [key_id for key_id in self.current.keys if key_id.startswith(text)]
            if len(found) != 1:
                what = f"the policy in force has {len(found)} keys that begin with {text[:16]}"
                raise UsageError(what, mend="name a new key by the path of its .pub file")
            return self.current.keys[found[0]].pem
        pem = self.pem_at(text)
        try:
            key_id_of(pem)
        except RegistryError as error:
            raise UsageError(f"{text} is no public key", why=error.why or error.what) from None
        return pem

    def _index(self, text: str) -> int:
        if text == NOW:
            return self.next_index
        if not re.fullmatch(r"[1-9][0-9]{0,17}", text):
            raise UsageError(f"{text!r} is no entry's index", mend="type a number from 1 on, or `now`")
        return int(text)

    def role(self, node: yaml.Node) -> dict[str, Any]:
        """A role: a list of keys, or that with a threshold."""
        said = {"keys": (node, node)}
        if isinstance(node, yaml.MappingNode):
            said = self.document.mapping(node, ("keys", "threshold"))
        if "keys" not in said:
            self.document.fault(node, "the role's keys are not told", mend="list their names as `keys:`")
            return {"keys": [], "threshold": 1}
        names = self.document.sequence(said["keys"][1])
        keys = [self.document.attempt(name, self._named) for name in names]
        threshold = self.document.attempt(said["threshold"][1], _number) if "threshold" in said else 1
        return {"keys": sorted(key for key in keys if key), "threshold": threshold}

    def _named(self, name: str) -> str:
        if name not in self.ids:
            raise UsageError(f"there is no key {name!r}", mend=nearest(name, self.ids))
        return self.ids[name]


def read_policy(
    data: bytes, file: str, *, current: Policy, pem_at: Callable[[str], str], next_index: int = 1
) -> Policy:
    """Read a policy as `policy_text` writes it and a person has changed it.

    Args:
        data: YAML, or JSON where `file` ends in `.json`.
        file: What the file is called, for its faults.
        current: The policy in force; its keys are known by their ids.
        pem_at: Reads the public key at a path that the file names.
        next_index: What `revoked_from_index: now` means.

    Raises:
        Faults: It is not of that form, a name is unknown, or the whole is no policy; all faults are told.
    """
    document = read_document(data, file)
    parts = {name: node for name, (_, node) in document.mapping(document.root, _PARTS).items()}
    reading = _Reading(document, current, pem_at, next_index)
    for name in ("stages", "keys", "roles"):
        if name not in parts:
            document.fault(document.root, f"the policy has no {name}", mend="start from `registry policy show`")
    of = {name: document.mapping(parts[name]) if name in parts else {} for name in _MAPPINGS}
    keys = {name: reading.key(name, node) for name, (_, node) in of["keys"].items()}
    found: dict[str, Any] = {
        "stages": [document.text(node) for node in document.sequence(parts["stages"])] if "stages" in parts else [],
        "after": {name: document.text(node) for name, (_, node) in of["after"].items()},
        "keys": {reading.ids[name]: key for name, key in keys.items() if key},
        "roles": {name: reading.role(node) for name, (_, node) in of["roles"].items()},
        "head": _head(parts.get("head"), document),
        "formats": _formats(parts.get("formats"), document),
        "rollback_targets": {name: document.text(node) for name, (_, node) in of["rollback_targets"].items()} or None,
    }
    known = [key_id for key_id in reading.ids.values() if key_id]
    if len(set(known)) < len(known):
        document.fault(parts["keys"], "one key has two names", why="a key counts once, whatever it is called")
    document.finish()
    return _policy({name: value for name, value in found.items() if value is not None}, document)


def policy_text(policy: Policy) -> str:
    """The policy as YAML, in the form that `read_policy` reads."""
    names = names_of(policy)
    keys: dict[str, Any] = {}
    for key_id, key in policy.keys.items():
        more = {"revoked_from_index": key.revoked_from_index, "why": key.why}
        said = {name: value for name, value in more.items() if value is not None}
        keys[names[key_id]] = {"key": key_id, **said} if said else key_id
    roles: dict[str, Any] = {}
    for name, role in policy.roles.items():
        who = [names[key_id] for key_id in role.keys]
        roles[name] = who if role.threshold == 1 else {"keys": who, "threshold": role.threshold}
    last = {name: part for name, part in (("head", policy.head), ("formats", policy.formats)) if part is not None}
    written = {name: part.model_dump(mode="json", exclude_none=True) for name, part in last.items()}
    if policy.rollback_targets:
        written["rollback_targets"] = policy.rollback_targets
    first = _yaml({"stages": list(policy.stages), "after": policy.after})
    # why: a person adds a line for a key, and a word for a role.
    return first + _yaml({"keys": keys}, flow=False) + _yaml({"roles": roles, **written})


def _yaml(value: dict[str, Any], *, flow: bool | None = None) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=flow, width=110)


def names_of(policy: Policy) -> dict[str, str]:
    """What each key is called: by its owner, where that is one key's name alone, else by its first digits."""
    owners = [key.owner for key in policy.keys.values()]
    return {
        key_id: key.owner if key.owner and owners.count(key.owner) == 1 else _anonymous(key_id)
        for key_id, key in policy.keys.items()
    }


def policy_changes(old: Policy, new: Policy) -> tuple[str, ...]:
    """What changed, a line for each part: `+` came, `-` went, `~` is another one; keys are called as in `new`."""
    names = {**names_of(old), **names_of(new)}
    return compare(_parts(old, names), _parts(new, names))


def _parts(policy: Policy, names: Mapping[str, str]) -> Mapping[tuple[str, str], str]:
    found = {("stages", "in order"): ", ".join(policy.stages)}
    found |= {("stage", name): f"after {earlier}" for name, earlier in policy.after.items()}
    found |= {("rollbacks of", stage): f"to {targets}" for stage, targets in (policy.rollback_targets or {}).items()}
    for key_id, key in policy.keys.items():
        since = f", revoked from entry {key.revoked_from_index} on" if key.revoked_from_index else ""
        found["key", key_id[:12]] = f"{key.owner or 'nobody named'}{since}"
    for name, role in policy.roles.items():
        found["role", name] = f"{role.threshold} of {', '.join(names[key_id] for key_id in role.keys)}"
    for name, part in (("head", policy.head), ("formats", policy.formats)):
        if part is not None:
            found[name, "as"] = part.canonical().decode()
    return found


def _anonymous(key_id: str) -> str:
    return f"key-{key_id[:12]}"


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise UsageError(f"{text!r} is no number", mend="type digits, such as 2")
    return int(text)


def _head(node: yaml.Node | None, document: Document) -> dict[str, Any] | None:
    if node is None:
        return None
    said = document.mapping(node, ("keys", "max_age_hours"))
    keys = [document.text(key) for key in document.sequence(said["keys"][1])] if "keys" in said else []
    age = {"max_age_hours": document.attempt(said["max_age_hours"][1], _number)} if "max_age_hours" in said else {}
    return {"keys": sorted(key for key in keys if key), **age}


def _formats(node: yaml.Node | None, document: Document) -> dict[str, Any] | None:
    if node is None:
        return None
    said = document.mapping(node, ("allow", "exempt"))
    return {name: [document.text(one) for one in document.sequence(value)] for name, (_, value) in said.items()}


def _policy(found: dict[str, Any], document: Document) -> Policy:
    """The policy, which checks itself as a whole."""
    try:
        return Policy.of(found)
    except RegistryError as error:
        document.fault(document.root, "this is no policy that can hold", why=error.why)
        document.finish()
        raise
