"""For the shop's own people: batches of vouchers, and feeds."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.apis import Refused
from app.pages import form_of, session_of, show, site_of, to
from app.sessions import Session

FEED_TYPES = ("product", "pricing", "sku")
# What a browser may send through this process; larger feeds go to the store by `make feed` or the API.
MAX_FEED_BYTES = 20 * 1024 * 1024
# For the whole upload.
UPLOAD_SECONDS = 60
BATCH_ENDED = ("COMPLETE", "FAILED", "CANCELLED")
FEED_ENDED = ("COMPLETE", "FAILED")


async def admin_of(request: Request) -> Session:
    """Who is signed in, if they are the shop's own. Raises ``Refused`` 404: nobody else has to know of these pages."""
    session = await session_of(request)
    if not session or not session.admin:
        raise Refused(404, "NOT_FOUND", "")
    return session


async def overview(request: Request) -> Response:
    """GET /admin"""
    await admin_of(request)
    return await show(request, "admin.html", types=FEED_TYPES)


# --- vouchers ---


async def batch_form(request: Request) -> Response:
    """GET /admin/vouchers"""
    session, today = await admin_of(request), datetime.now(UTC).date()
    given = {"count": "100", "campaign": "", "value": "1000", "notify": session.email}
    given |= {"valid_from": str(today), "valid_to": str(today + timedelta(days=90))}
    return await _batch_form(request, given, "")


async def _batch_form(request: Request, given: dict[str, str], error: str, status: int = 200) -> Response:
    return await show(request, "batch_form.html", status, given=given, error=error, form_key=secrets.token_urlsafe(18))


async def order_batch(request: Request) -> Response:
    """POST /admin/vouchers {count, campaign, value, valid_from, valid_to, notify, form}"""
    session, form = await admin_of(request), await form_of(request)
    given = {
        name: str(form.get(name, "")) for name in ("count", "campaign", "value", "valid_from", "valid_to", "notify")
    }
    numbers = {name: int(given[name]) if given[name].isdecimal() else -1 for name in ("count", "value")}
    wanted = given | numbers | {"currency": "EUR"}
    try:
        answer = await site_of(request).apis.call(
            "vouchers", "POST", "voucher-batches", token=session.token, json=wanted, key=str(form.get("form", ""))
        )
    except Refused as error:
        if error.status in (400, 409, 422):
            return await _batch_form(request, given, error.detail, error.status)
        raise
    return to(f"/admin/vouchers/{quote(answer.body['batch_id'], safe='')}")


async def batch(request: Request) -> Response:
    """GET /admin/vouchers/{batch_id}: its progress, and a fresh link once it is complete."""
    found = await _batch(request)
    return await show(request, "batch.html", batch=found, ended=found["status"] in BATCH_ENDED)


async def batch_status(request: Request) -> Response:
    """GET /admin/vouchers/{batch_id}/status, for the page's script: {status, generated, count}; no link."""
    found = await _batch(request)
    shown = {name: found.get(name) for name in ("status", "generated", "count")}
    return JSONResponse(
        shown | {"ended": found["status"] in BATCH_ENDED}, headers={"Cache-Control": "private, no-store"}
    )


async def _batch(request: Request) -> dict[str, object]:
    session = await admin_of(request)
    path = f"voucher-batches/{quote(request.path_params['batch_id'], safe='')}"
    return (await site_of(request).apis.call("vouchers", "GET", path, token=session.token)).body


# --- feeds ---


async def put_feed(request: Request) -> Response:
    """POST /admin/feeds {type, file}: asks for a link and puts the file there."""
    session, form = await admin_of(request), await form_of(request, files=1)
    feed_type, file = str(form.get("type", "")), form.get("file")
    if feed_type not in FEED_TYPES or not isinstance(file, UploadFile):
        raise Refused(400, "INVALID_REQUEST", "A feed is a file of one of the types")
    content = await file.read(MAX_FEED_BYTES + 1)
    if len(content) > MAX_FEED_BYTES:
        raise Refused(413, "REQUEST_TOO_LARGE", f"Feeds of more than {MAX_FEED_BYTES // 1024**2} MB go through the API")
    feed = (await site_of(request).apis.call("feeds", "POST", f"feeds/{feed_type}", token=session.token)).body
    upload = feed["upload"]
    async with httpx.AsyncClient(timeout=UPLOAD_SECONDS) as http:
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                put = await http.request(upload["method"], upload["url"], content=content, headers=upload["headers"])
            put.raise_for_status()
        except (httpx.HTTPError, TimeoutError) as error:
            raise Refused(503, "UPLOAD_FAILED", "The store did not take the file") from error
    return to(f"/admin/feeds/{feed_type}/{quote(feed['feed_id'], safe='')}")


async def feed(request: Request) -> Response:
    """GET /admin/feeds/{type}/{feed_id}: the manifest."""
    session = await admin_of(request)
    path = "/".join(quote(request.path_params[name], safe="") for name in ("type", "feed_id"))
    manifest = (await site_of(request).apis.call("feeds", "GET", f"feeds/{path}", token=session.token)).body
    return await show(request, "feed.html", manifest=manifest, ended=manifest["status"] in FEED_ENDED)
