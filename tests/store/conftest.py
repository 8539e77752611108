"""The projects of the command line's tests serve here too."""

from tests.cli.conftest import bare, pinned, templates

__all__ = ["bare", "pinned", "templates"]
