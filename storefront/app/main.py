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

from app import (
    account_pages,
    admin_pages,
    checkout_pages,
    encrypted_store,
    map_pages,
    order_pages,
    pictures,
    shop_pages,
)
from app.apis import ApiError, Apis
from app.cookies import Cookie
from app.encrypted_store import EncryptedStore
from app.guards import SECURITY, BodyLimit, SameOriginForms, SecurityHeaders, TrailingSlashes
from app.pages import Site, error_page, render
from app.product_names import ProductNames
from app.sessions import Sessions
from app.settings import Settings

# A form has a few short fields; a feed upload has the file and its multipart envelope.
MAX_FORM_BYTES = 64 * 1024
MAX_BODY_BYTES = {"/admin/feeds": admin_pages.MAX_FEED_BYTES + 2 * 1024 * 1024}


async def health(request: Request) -> Response:
    """GET /healthz: health check of the load balancer."""
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
    Route("/checkout", checkout_pages.submit_checkout, methods=["POST"]),
    Route("/orders/{number}", order_pages.order),
    Route("/orders/{number}/status", order_pages.order_status),
    Route("/admin", admin_pages.overview),
    Route("/admin/architecture", map_pages.architecture),
    Route("/admin/vouchers", admin_pages.batch_form),
    Route("/admin/vouchers", admin_pages.create_batch, methods=["POST"]),
    Route("/admin/vouchers/{batch_id}", admin_pages.batch),
    Route("/admin/vouchers/{batch_id}/status", admin_pages.batch_status),
    Route("/admin/feeds", admin_pages.upload_feed, methods=["POST"]),
    Route("/admin/feeds/{type}/{feed_id}", admin_pages.feed),
    Mount("/static", StaticFiles(directory=Path(__file__).parent.parent / "static")),
]


class CdnClientAddress:
    """Replaces the connection's address and scheme, which are the load balancer's, by the client's from the CDN.

    Only the CDN reaches the load balancer, and it overwrites ``X-Viewer-Address``; clients can forge ``X-Forwarded-For``.
    """

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self._app, self._https = app, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = dict(scope.get("headers", ())).get(b"x-viewer-address")
        if address and scope["type"] == "http":
            # Changes the scope in place, because the access log reads it.
            scope["client"] = (address.decode("latin-1"), 0)
            scope["scheme"] = "https" if self._https else scope["scheme"]
        await self._app(scope, receive, send)


async def _handle_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return await error_page(request, error)


async def _handle_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = await render(request, "http_error.html", error.status_code, code=error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _handle_unexpected_error(request: Request, error: Exception) -> Response:
    """Plain text without a page, because rendering may be what failed; no middleware adds headers to this response."""
    return PlainTextResponse("Something went wrong.", 500, {"Cache-Control": "no-store", **SECURITY})


def create(settings: Settings | None = None) -> Starlette:
    """Create the ASGI application; ``settings`` defaults to the environment's."""
    settings = settings or Settings.from_environment()
    secure = settings.secure_cookies
    apis = Apis(settings.apis, settings.api_token)
    store = encrypted_store.connect(settings.sessions_url)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await apis.close()
        await store.aclose()

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        middleware=[
            Middleware(CdnClientAddress, https=secure),
            Middleware(SecurityHeaders),
            Middleware(SameOriginForms),
            Middleware(TrailingSlashes, routes=ROUTES),
            Middleware(BodyLimit, max_bytes=MAX_FORM_BYTES, by_path=MAX_BODY_BYTES),
        ],
        exception_handlers={
            ApiError: _handle_api_error,
            HTTPException: _handle_http_error,
            Exception: _handle_unexpected_error,
        },
    )
    # Starlette would redirect to an absolute address with the Host of the request, and browsers send a form again with 307.
    app.router.redirect_slashes = False
    app.state.site = Site(
        settings.site_name,
        apis,
        Sessions(store, secure=secure),
        Cookie("basket", secure=secure),
        ProductNames(apis),
        EncryptedStore(store, "checkout"),
    )
    return app
