"""Documentation is correct: links resolve, named files and calls exist, and pages have their required sections."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from markdown_it import MarkdownIt

from model.settings import ROOT
from model.templates import pieces
from pages import diagrams
from tests.contract.pages import PAGES

# What stands in backticks and looks like a file of the repository.
NAMED = re.compile(
    r"^(?:docs|functions|local|schemas|statemachines|templates|tests|bench|events|\.github)/[\w./-]+\.\w+$"
)
# A method, and behind it in the same line the path of one of the shop's APIs, with or without the service.
CALL = re.compile(
    r"\b(GET|POST|PUT|PATCH|DELETE)\b[^\n|]{0,90}?[`\s\"](?:https?://[^\s/]+)?(?:/([a-z-]+))?"
    r"(/v1/(?:<[^>]*>|\{[^}]*\}|[^\s`\"|?<{])*)"
)
ANY = "x-amazon-apigateway-any-method"
METHODS = ("get", "post", "put", "patch", "delete", ANY)
# For one segment of a path: what is written in place of a value.
VALUE = re.compile(r"<[^>]*>|\{[^}]*\}|\$\w+")
OPERATIONS = {
    path.stem: [
        (method, template)
        for template, methods in yaml.safe_load(path.read_text()).get("paths", {}).items()
        for method in methods
        if method in METHODS
    ]
    for path in (ROOT / "schemas" / "api").glob("*.yaml")
}


def calls(page: Path) -> list[tuple[str, str, str]]:
    """(method, service, path) of every call of an API that a page names; a set piece's own page leaves out the service."""
    matches = [
        (method, service or page.stem, path.rstrip(".,:;)")) for method, service, path in CALL.findall(page.read_text())
    ]
    return [call for call in matches if OPERATIONS.get(call[1])]


def is_operation(method: str, service: str, path: str) -> bool:
    """True if the service's API has an operation that matches the call. A value matches only a parameter."""
    segments = VALUE.sub("{}", path).split("/")
    for offered, template in OPERATIONS[service]:
        template_segments = template.split("/")
        if template_segments[-1] == "{proxy+}":
            template_segments[-1:] = ["{}"] * (len(segments) - len(template_segments) + 1)
        fits = len(template_segments) == len(segments) and all(
            segment.startswith("{") or segment == value
            for segment, value in zip(template_segments, segments, strict=True)
        )
        if fits and offered in (method.lower(), ANY):
            return True
    return False


def links(page: Path) -> list[str]:
    """Every link and image of a page."""
    inline = [child for token in MarkdownIt().enable("table").parse(page.read_text()) for child in token.children or []]
    return [str(target) for one in inline for name in ("href", "src") if (target := one.attrGet(name))]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub generates for headings."""
    tokens = MarkdownIt().parse(page.read_text())
    headings = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        assert target.exists(), f"{page.relative_to(ROOT)}: {link}"
        if parts.fragment:
            assert parts.fragment in anchors(target), f"{page.relative_to(ROOT)}: {link}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_files_exist(page: Path):
    for name in re.findall(r"`([^`\n]+)`", page.read_text()):
        if NAMED.match(name):
            assert (ROOT / name).exists(), f"{page.relative_to(ROOT)}: {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_calls_exist(page: Path):
    for call in calls(page):
        assert is_operation(*call), f"{page.relative_to(ROOT)}: {call}"


def test_calls_are_found_in_pages():
    calls_by_page = {page.stem: calls(page) for page in PAGES}
    assert ("POST", "vouchers", "/v1/voucher-batches/{batch_id}/cancellation") in calls_by_page["foreign-voucher-read"]
    assert ("DELETE", "login", "/v1/identities/<identity id>/sessions") in calls_by_page["guessed-passwords"]
    assert ("DELETE", "login", "/v1/sessions/current") in calls_by_page["login"]
    assert not is_operation("DELETE", "vouchers", "/v1/voucher-batches/{batch_id}")


@pytest.mark.parametrize("service", sorted(set(pieces()) - {"shop"}))
def test_a_set_piece_says_when_to_use_it_and_what_it_costs(service: str):
    headings = anchors(diagrams.page(service))
    assert {"when-to-use-it", "cost", "from-the-template"} <= headings


def test_every_runbook_is_reached_from_an_alarm_or_a_page():
    linked = {
        (page.parent / urlsplit(link).path).resolve()
        for page in PAGES
        for link in links(page)
        if "/runbooks" not in str(page)
    }
    assert {page for page in PAGES if page.parent.name == "runbooks"} <= linked
