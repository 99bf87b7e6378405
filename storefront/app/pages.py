"""What every page has: the templates, who is signed in, and how an API's refusal is told to a reader."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.apis import Apis, Refused
from app.cookies import Cookie
from app.product_names import ProductNames
from app.sessions import Session, Sessions

TEMPLATES = Path(__file__).parent.parent / "templates"
# Asked again after so long, if an API that sheds load, or none that answers, gave no advice.
RETRY_SECONDS = 2
# Of the shop's forms. A feed is a file, which has a limit of its own.
MAX_FIELDS = 16
MAX_FIELD_BYTES = 4096


@dataclass(frozen=True)
class Site:
    """What the pages work with."""

    name: str
    apis: Apis
    sessions: Sessions
    basket: Cookie
    names: ProductNames


Page = Callable[[Request], Awaitable[Response]]


def money(cents: int, currency: str) -> str:
    """``1,234.50 EUR`` of 123450."""
    return f"{cents / 100:,.2f} {currency}"


_environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters["money"] = money


def site_of(request: Request) -> Site:
    found: Site = request.app.state.site
    return found


async def session_of(request: Request) -> Session | None:
    """Who is signed in; looked up once a request."""
    if not hasattr(request.state, "session"):
        request.state.session = await site_of(request).sessions.read(request)
    found: Session | None = request.state.session
    return found


async def form_of(request: Request, files: int = 0) -> FormData:
    """The fields of a form. Raises ``HTTPException`` 400 for more, or longer ones, than any form of the shop has."""
    return await request.form(max_files=files, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)


async def show(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page. What it shows is somebody's own, so nobody keeps it, unless the page says otherwise."""
    html = _environment.get_template(template).render(
        {"site": site_of(request).name, "session": await session_of(request), "path": request.url.path, **values}
    )
    return HTMLResponse(html, status, {"Cache-Control": "private, no-store"})


async def refused(request: Request, error: Refused) -> HTMLResponse:
    """The page for what an API has refused and no other page deals with."""
    status = 503 if error.status >= 500 else error.status
    if status == 401:
        # The API's session has ended before the one here.
        request.state.session = None
    response = await show(request, "refused.html", status, error=error, code=status)
    if status == 401:
        await site_of(request).sessions.end(request, response)
    if status in (429, 503):
        response.headers["Retry-After"] = str(error.retry_after or RETRY_SECONDS)
    return response


def to(path: str) -> RedirectResponse:
    """After a form: the browser asks for ``path``, which it may reload without sending the form again."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def own_path(target: str, otherwise: str = "/") -> str:
    """Where a reader goes on, if that is a path of this site."""
    parts = urlsplit(target)
    harmless = (
        target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.netloc and target.isprintable()
    )
    return target if harmless else otherwise


def from_elsewhere(request: Request) -> bool:
    """Is this form another site's? Browsers say where a request comes from; what says nothing is no browser.

    https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Sec-Fetch-Site
    """
    told = request.headers.get("sec-fetch-site")
    if told:
        return told not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return bool(origin) and urlsplit(origin or "").netloc != request.headers.get("host")
