"""The storefront: server-rendered pages that call the shop's public APIs and nothing else.

uvicorn app.main:create --factory --port 8081
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from app import account_pages, admin_pages, checkout_pages, map_pages, pictures, shop_pages
from app.apis import Apis, Refused
from app.cookies import Cookie
from app.guards import SECURITY, BodyLimit, OwnForms, SecurityHeaders
from app.pages import Site, refused, show
from app.product_names import ProductNames
from app.sessions import Sessions
from app.settings import Settings

# A form has some fields of a few words; a feed is a file, and what surrounds it.
MAX_FORM_BYTES = 64 * 1024
MAX_BODY_BYTES = {"/admin/feeds": admin_pages.MAX_FEED_BYTES + 2 * 1024 * 1024}


async def health(request: Request) -> Response:
    """GET /healthz, for the load balancer: this process answers."""
    return PlainTextResponse("ok", headers={"Cache-Control": "no-store"})


ROUTES = [
    Route("/", shop_pages.home),
    Route("/healthz", health),
    Route("/products", shop_pages.products),
    Route("/products/{sku}", shop_pages.product),
    Route("/pictures/{sku}.svg", pictures.picture),
    Route("/basket", shop_pages.basket),
    Route("/basket", shop_pages.add_to_basket, methods=["POST"]),
    Route("/basket/items/{sku}", shop_pages.change_basket, methods=["POST"]),
    Route("/sign-in", account_pages.sign_in_form),
    Route("/sign-in", account_pages.sign_in, methods=["POST"]),
    Route("/sign-up", account_pages.sign_up_form),
    Route("/sign-up", account_pages.sign_up, methods=["POST"]),
    Route("/sign-up/confirm", account_pages.confirm_form),
    Route("/sign-up/confirm", account_pages.confirm, methods=["POST"]),
    Route("/sign-out", account_pages.sign_out, methods=["POST"]),
    Route("/account", account_pages.account),
    Route("/account", account_pages.change_profile, methods=["POST"]),
    Route("/checkout", checkout_pages.checkout_form),
    Route("/checkout", checkout_pages.place_order, methods=["POST"]),
    Route("/orders/{number}", checkout_pages.order),
    Route("/orders/{number}/status", checkout_pages.order_status),
    Route("/admin", admin_pages.overview),
    Route("/admin/architecture", map_pages.architecture),
    Route("/admin/vouchers", admin_pages.batch_form),
    Route("/admin/vouchers", admin_pages.order_batch, methods=["POST"]),
    Route("/admin/vouchers/{batch_id}", admin_pages.batch),
    Route("/admin/vouchers/{batch_id}/status", admin_pages.batch_status),
    Route("/admin/feeds", admin_pages.put_feed, methods=["POST"]),
    Route("/admin/feeds/{type}/{feed_id}", admin_pages.feed),
    Mount("/static", StaticFiles(directory=Path(__file__).parent.parent / "static")),
]


class ThroughCdn:
    """The client's address and scheme, as the CDN states them: the connection is the load balancer's.

    Only the CDN reaches the load balancer, and it sets the header itself; ``X-Forwarded-For`` begins with what a client sent.
    """

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self._app, self._https = app, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = dict(scope.get("headers", ())).get(b"x-viewer-address")
        if address and scope["type"] == "http":
            # In place: the access log reads it there.
            scope["client"] = (address.decode("latin-1"), 0)
            scope["scheme"] = "https" if self._https else scope["scheme"]
        await self._app(scope, receive, send)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return await refused(request, error)


async def _no_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = await show(request, "no_page.html", error.status_code, code=error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _fault(request: Request, error: Exception) -> Response:
    """Also the last resort, so without a page; this answer passes no guard."""
    return PlainTextResponse("Something went wrong.", 500, {"Cache-Control": "no-store", **SECURITY})


def create(settings: Settings | None = None) -> Starlette:
    """The ASGI application."""
    found = settings or Settings.from_environment()
    apis = Apis(found.apis, found.api_token)
    sessions = Sessions.at(found.sessions_url, secure=found.secure_cookies)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await apis.close()
        await sessions.close()

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        middleware=[
            Middleware(ThroughCdn, https=found.secure_cookies),
            Middleware(SecurityHeaders),
            Middleware(OwnForms),
            Middleware(BodyLimit, most=MAX_FORM_BYTES, by_path=MAX_BODY_BYTES),
        ],
        exception_handlers={Refused: _refused, HTTPException: _no_page, Exception: _fault},
    )
    app.state.site = Site(
        found.site_name, apis, sessions, Cookie("basket", secure=found.secure_cookies), ProductNames(apis)
    )
    return app
