"""Shared functions of all pages: templates, the session, forms, redirects and error pages."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.amounts import money
from app.apis import ApiError, Apis
from app.cookies import Cookie
from app.encrypted_store import EncryptedStore
from app.messages import message
from app.product_names import ProductNames
from app.sessions import Session, Sessions

TEMPLATES = Path(__file__).parent.parent / "templates"
# Retry-After of error pages if the API returned none.
RETRY_SECONDS = 2
# Limits of the shop's forms. Feeds are files, which have their own limit.
MAX_FIELDS = 20
MAX_FIELD_BYTES = 16 * 1024
FORM_TYPES = (b"application/x-www-form-urlencoded", b"multipart/form-data")


@dataclass(frozen=True)
class Site:
    """Dependencies of the pages; ``checkouts`` has what visitors typed at the checkout, by basket id."""

    name: str
    apis: Apis
    sessions: Sessions
    basket: Cookie
    names: ProductNames
    checkouts: EncryptedStore


Page = Callable[[Request], Awaitable[Response]]


_environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["money"] = money


def site_of(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


async def session_of(request: Request) -> Session | None:
    """Return the session of the request; reads the store once per request."""
    if not hasattr(request.state, "session"):
        request.state.session = await site_of(request).sessions.read(request)
    session: Session | None = request.state.session
    return session


async def customer_token(request: Request) -> str:
    """The session token of a customer, "" for guests and for staff, who are no customers."""
    session = await session_of(request)
    return session.token if session and session.customer_id else ""


async def form_of(request: Request, files: int = 0, max_field_bytes: int = MAX_FIELD_BYTES) -> FormData:
    """Parse a form in UTF-8, as browsers send the forms of these pages.

    Raises ``ApiError`` 415 for another content type and 400 for another charset, whose texts may not be text in UTF-8;
    ``HTTPException`` 400 if the form exceeds the limits on fields.
    """
    content_type, options = parse_options_header(request.headers.get("content-type"))
    if content_type not in FORM_TYPES:
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "The content is not a form")
    if options.get(b"charset", b"utf-8").lower() != b"utf-8":
        raise ApiError(400, "INVALID_FORM", "The charset of the form is not UTF-8")
    return await request.form(max_files=files, max_fields=MAX_FIELDS, max_part_size=max_field_bytes)


async def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page. Pages are personal, so they are not cached unless the caller changes the header."""
    html = _environment.get_template(template).render(
        {"site": site_of(request).name, "session": await session_of(request), "path": request.url.path, **values}
    )
    return HTMLResponse(html, status, {"Cache-Control": "private, no-store"})


async def error_page(request: Request, error: ApiError) -> HTMLResponse:
    """Render the page for an ``ApiError`` that the requested page does not handle."""
    status = 503 if error.status >= 500 else error.status
    if status == 401:
        # The API's session has ended before the storefront's.
        request.state.session = None
    response = await render(request, "api_error.html", status, message=message(error.code), code=status)
    if status == 401:
        await site_of(request).sessions.end(request, response)
    if status in (429, 503):
        response.headers["Retry-After"] = str(error.retry_after or RETRY_SECONDS)
    return response


def see_other(path: str) -> RedirectResponse:
    """Redirect after a form (303): reloading ``path`` does not send the form again."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def local_path(target: str, default: str = "/") -> str:
    """Return ``target`` if it is a path of this site, otherwise ``default``; prevents open redirects."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_local else default


def is_cross_site(request: Request) -> bool:
    """True if another site sent the request. A request without either header is not from a browser.

    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
    """
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site:
        return fetch_site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return bool(origin) and (origin or "").partition("://")[2] != request.headers.get("host")
