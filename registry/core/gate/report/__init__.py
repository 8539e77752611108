"""A verdict laid out for people: lines for a terminal, Markdown for a pull request, one page of HTML for a browser."""

from registry.core.gate.report.lines import Line, flip_lines, headline, lines_of, notes
from registry.core.gate.report.markdown import markdown
from registry.core.gate.report.page import page

__all__ = ["Line", "flip_lines", "headline", "lines_of", "markdown", "notes", "page"]
