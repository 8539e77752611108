"""A verdict as one page of HTML: nothing is loaded from elsewhere, and nothing runs."""

from registry.core.digest import short
from registry.core.gate.report import sections
from registry.core.gate.report.figure import panels
from registry.core.gate.report.forest import legend, panel
from registry.core.gate.report.lines import counted
from registry.core.gate.report.markup import Markup, breakable, join, tag
from registry.core.gate.report.style import CSS
from registry.core.gate.verdict import RuleVerdict, Verdict

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_LEADS = {
    "GO": "This model may enter {}.",
    "NO-GO": "This model may not enter {}.",
    "HOLD": "Nothing failed, but not everything is proven. This model does not enter {} yet.",
}
_CLASSES = {"GO": "pass", "NO-GO": "fail", "HOLD": "inconclusive"}


def page(verdict: Verdict) -> str:
    """The whole verdict as an HTML document, ending in a line break."""
    name = f"{verdict.answer} for {verdict.stage}: {short(verdict.candidate)}"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("link", rel="icon", href="data:,"),
        tag("title", name),
        tag("style", Markup(CSS)),
    )
    body = tag("body", tag("main", *(part for part in _sections(verdict) if part)))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _sections(verdict: Verdict) -> tuple[str, ...]:
    drawn = [panel(one) for one in panels(verdict)]
    return (
        _answer(verdict),
        _section("How close it was", legend(), *drawn) if drawn else "",
        _section("The rules", *sections.rules(verdict)),
        _section("Passed before, not now", *sections.flips(verdict)),
        _section("The slices", *sections.slices(verdict)),
        _section("Training data", *sections.training(verdict)),
        _section("What this speaks of", *sections.origin(verdict)),
    )


def _section(heading: str, *inside: str) -> Markup:
    return tag("section", tag("h2", heading), *inside)


def _answer(verdict: Verdict) -> Markup:
    """The answer, and what it hangs on."""
    against = join(("against ", tag("code", short(verdict.baseline)))) if verdict.baseline else "against nothing"
    told = counted(verdict)
    deciding = [rule for rule in verdict.rules if rule.verdict == "fail"]
    deciding = deciding or [rule for rule in verdict.rules if rule.verdict == "inconclusive"]
    return tag(
        "header",
        tag("h1", verdict.answer, class_=f"word {_CLASSES[verdict.answer]}"),
        tag("p", f"{_LEADS[verdict.answer].format(verdict.stage)} {told[0].upper()}{told[1:]}", class_="lead"),
        tag("p", "Candidate ", tag("code", short(verdict.candidate)), " ", against, ".", class_="soft"),
        tag("ul", *(_reason(rule) for rule in deciding), class_="reasons") if deciding else "",
    )


def _reason(rule: RuleVerdict) -> Markup:
    return tag("li", tag("code", breakable(rule.rule)), tag("p", rule.sentence), class_=rule.verdict)
