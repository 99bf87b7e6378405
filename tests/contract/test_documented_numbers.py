"""Numbers in the documentation are those of the code and the templates.

``tests/contract/documented`` lists the sentences with numbers and what defines each number. A number that a page states and the
list lacks fails too: add its sentence, with the constant or property that defines the number. If none does (a limit of AWS, a
measurement, an example), give the reason instead.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest
import yaml

from model.settings import ROOT
from model.templates import Piece, definition, iter_resources, pieces
from tests.contract.documented import content, cost, customers, descriptions, platform, runbooks, selling, vouchers
from tests.contract.documented.sources import About, Facts, Value
from tests.contract.pages import PAGES
from tests.contract.quantities import MENTION, QUANTITY, values

FACTS: Facts = {
    page: sentences
    for module in (content, cost, customers, descriptions, platform, runbooks, selling, vouchers)
    for page, sentences in module.FACTS.items()
}
# Written by a command; another test compares the result.
GENERATED_PAGES = {"docs/bench.md", "docs/capacity-and-cost.md", "docs/api/problems.md"}
# What these pages are made of.
GENERATORS = (ROOT / "bench" / "capacity-and-cost.md.in", ROOT / "bench" / "limits.py")
GENERATED_PART = re.compile(
    r"<!-- (?:generated|routing table: begin|differences: begin).*?<!-- (?:end of|routing table: end|differences: end)",
    re.S,
)
DESCRIPTIONS = {"description", "summary", "Description"}
MARKUP = re.compile(r"{[%{#].*?[%}#]}|<.*?>", re.S)
# `OrderDays` (30): checked for every parameter, and listed nowhere.
DEFAULT = re.compile(r"`([A-Z]\w+)` \((\d[\d,]*)[);]")
DEFAULTS = {
    (prefix + name): declared.get("Default")
    for piece in pieces().values()
    for name, declared in piece.source.get("Parameters", {}).items()
    for prefix in ("", piece.service.title().replace("-", ""))
}


class Match(NamedTuple):
    """A sentence of the list in a page: ``numbers`` are (text, value, (start, end) in the page)."""

    sentence: str
    numbers: list[tuple[str, Value, tuple[int, int]]]


def described(value: Any) -> Iterator[str]:
    """The descriptions in an API document or a template."""
    if isinstance(value, dict):
        yield from (text for key, text in value.items() if key in DESCRIPTIONS and isinstance(text, str))
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from described(inner)


@cache
def texts() -> dict[str, str]:
    """What people read, by file: pages without generated parts and their generators, descriptions, texts of the storefront."""
    pages = {path: path.read_text() for path in PAGES if str(path.relative_to(ROOT)) not in GENERATED_PAGES}
    written = {path: GENERATED_PART.sub("", text) for path, text in pages.items()}
    for path in (ROOT / "schemas" / "api").glob("*.yaml"):
        written[path] = "\n".join(described(yaml.safe_load(path.read_text())))
    for service, piece in pieces().items():
        written[ROOT / "templates" / f"{service}.yaml"] = "\n".join(described(piece.source))
    for path in GENERATORS:
        written[path] = path.read_text()
    for path in (ROOT / "storefront" / "templates").glob("*.html"):
        written[path] = MARKUP.sub(" ", path.read_text())
    return {str(path.relative_to(ROOT)): re.sub(r"\s+", " ", text) for path, text in written.items()}


def matches(name: str) -> Iterator[Match]:
    """Every occurrence in a page of the sentences that are listed for it."""
    text = texts()[name]
    for sentence, defined in FACTS.get(name, {}).items():
        expected = defined if isinstance(defined, tuple) and not isinstance(defined, About) else (defined,)
        pattern = re.escape(re.sub(r"\s+", " ", sentence)).replace(r"\{\}", f"({QUANTITY})")
        for match in re.finditer(pattern, text, re.IGNORECASE):
            spans = [match.span(group) for group in range(1, len(match.groups()) + 1)]
            assert len(spans) == len(expected), f"{name}: {sentence}: {len(spans)} numbers, {len(expected)} values"
            yield Match(sentence, list(zip(match.groups(), expected, spans, strict=True)))


def definitions(piece: Piece) -> list[dict[str, Any]]:
    """The definitions of a template's state machines."""
    return [definition(piece, name) for name in piece.of_type("AWS::StepFunctions::StateMachine")]


def is_correct(text: str, expected: float | About) -> bool:
    """True if a documented number has the value, whatever its unit."""
    if isinstance(expected, About):
        return any(abs(value - expected.value) <= 0.1 * expected.value for value in values(text))
    return any(abs(value - expected) <= 1e-9 * value for value in values(text))


@pytest.mark.parametrize("name", sorted(FACTS))
def test_documented_numbers_are_those_of_the_code(name: str):
    matched = list(matches(name))
    missing = set(FACTS[name]) - {match.sentence for match in matched}
    assert not missing, f"{name} does not have these sentences any more: {sorted(missing)}"
    for match in matched:
        for text, expected, _ in match.numbers:
            if not isinstance(expected, str):
                assert is_correct(text, expected), f"{name}: {match.sentence!r} has {text!r}, the code {expected}"


@pytest.mark.parametrize("name", sorted(texts()))
def test_every_number_is_listed(name: str):
    spans = [span for match in matches(name) for _, _, span in match.numbers]
    unlisted = [
        texts()[name][max(mention.start() - 40, 0) : mention.end() + 20]
        for mention in MENTION.finditer(texts()[name])
        if not any(start <= mention.start() < end or mention.start() <= start < mention.end() for start, end in spans)
    ]
    assert not unlisted, f"{name}: add to tests/contract/documented what defines these numbers: {unlisted}"


@pytest.mark.parametrize("name", sorted(texts()))
def test_documented_defaults_are_those_of_the_templates(name: str):
    for parameter, number in DEFAULT.findall(texts()[name]):
        assert str(DEFAULTS[parameter]) == number.replace(",", ""), f"{name}: {parameter}"


def test_defaults_are_found_in_pages():
    assert ("OrderDays", "30") in DEFAULT.findall(texts()["docs/set-pieces/orders.md"])


def test_a_listed_page_exists():
    assert set(FACTS) <= set(texts())


def test_alarms_describe_their_own_limits():
    checked = 0
    for piece, name, alarm in iter_resources("AWS::CloudWatch::Alarm"):
        threshold, seconds = float(alarm["Threshold"]), float(alarm["Period"] * alarm["EvaluationPeriods"])
        limits = {threshold, threshold / 1000, seconds}
        if alarm["MetricName"] == "ExecutionsTimedOut":
            limits |= {float(state_machine["TimeoutSeconds"]) for state_machine in definitions(piece)}
        for mention in MENTION.finditer(alarm.get("AlarmDescription", "")):
            checked += 1
            assert values(mention[0]) & limits, f"{piece.service}.{name}: {mention[0]} is none of {limits}"
    assert checked > 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [("five minutes", 300), ("half an hour", 1800), ("1,000", 1000), ("0.5 s", 0.5), ("8 MB", 8 * 1024 * 1024), ("60 ms", 0.06),
     ("ten thousand", 10_000), ("a million", 1_000_000), ("80 %", 80), ("a week", 604_800), ("30 days", 2_592_000)],
)  # fmt: skip
def test_quantities_are_read_with_their_units(text: str, expected: float):
    assert re.fullmatch(QUANTITY, text)
    assert expected in values(text)


@pytest.mark.parametrize("text", ["6 minutes", "299 s", "5", "5 hours"])
def test_another_number_is_not_correct(text: str):
    assert not is_correct(text, 300)
