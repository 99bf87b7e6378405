"""The content provider: pages by slug.

page {slug, title, body, ...}
"""

from typing import Any

from partners.domain.rules import get, put_latest
from partners.simulators.operations import Call, Operation, Outcome
from partners.simulators.schemas import record, same, text

PAGE = record({"title": text(200, 1)}, {"body": text(20_000)})


def get_page(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return get("page", stored)


def put_page(call: Call, stored: dict[str, Any] | None) -> Outcome:
    same(call.body, "slug", call.ids["slug"])
    return put_latest(call.body | {"slug": call.ids["slug"]}, stored)


def _slug(call: Call) -> str:
    return call.ids["slug"]


OPERATIONS = (
    Operation("get_page", "GET", "content/pages/{slug}", get_page, "pages", _slug),
    Operation("put_page", "PUT", "content/pages/{slug}", put_page, "pages", _slug, PAGE),
)
