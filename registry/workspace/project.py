"""A project and its registry: one method is one verb, with its doors already open."""

from registry.workspace.deciding import Deciding
from registry.workspace.delivering import Delivering
from registry.workspace.governing import Governing
from registry.workspace.importing import Importing
from registry.workspace.keeping import Keeping
from registry.workspace.making import Making
from registry.workspace.proving import Proving


class Registry(Making, Importing, Deciding, Governing, Keeping, Proving, Delivering):
    """All verbs of a project. Open it with `registry.open`."""
