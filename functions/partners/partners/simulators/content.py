"""The content provider: pages by slug.

page {slug, title, body, ...}
"""

from typing import Any

from partners.domain.operations import Call, Operation, Outcome, id_key
from partners.domain.rules import get, put_latest
from partners.domain.schemas import check_id, object_of, string

PAGE = object_of({"title": string(200, 1)}, {"body": string(20_000)})


def get_page(call: Call, stored: dict[str, Any] | None) -> Outcome:
    return get("page", stored)


def put_page(call: Call, stored: dict[str, Any] | None) -> Outcome:
    check_id(call.body, "slug", call.ids["slug"])
    return put_latest(call.body | {"slug": call.ids["slug"]}, stored)


OPERATIONS = (
    Operation("get_page", "GET", "content/pages/{slug}", get_page, "pages", id_key("slug")),
    Operation("put_page", "PUT", "content/pages/{slug}", put_page, "pages", id_key("slug"), PAGE),
)
