"""Pages for administrators: batches of vouchers, and feeds."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.apis import ApiError, whole_number
from app.messages import form_errors
from app.pages import form_of, render, see_other, session_of, site_of
from app.sessions import Session

FEED_TYPES = ("product", "pricing", "sku")
# Limit for uploads through the storefront; upload larger feeds with `make feed` or the API.
MAX_FEED_BYTES = 20 * 1024 * 1024
# Deadline of the whole upload.
UPLOAD_SECONDS = 60
BATCH_ENDED = ("COMPLETE", "FAILED", "CANCELLED")
FEED_ENDED = ("COMPLETE", "FAILED")


async def admin_of(request: Request) -> Session:
    """Return the session of an administrator. Raises ``ApiError`` 404 for others, which hides these pages."""
    session = await session_of(request)
    if not session or not session.admin:
        raise ApiError(404, "NOT_FOUND", "")
    return session


async def overview(request: Request) -> Response:
    """GET /admin"""
    await admin_of(request)
    return await render(request, "admin.html", types=FEED_TYPES)


# --- vouchers ---


async def batch_form(request: Request) -> Response:
    """GET /admin/vouchers"""
    session, today = await admin_of(request), datetime.now(UTC).date()
    fields = {"count": "100", "campaign": "", "value": "1000", "notify": session.email}
    fields |= {"valid_from": str(today), "valid_to": str(today + timedelta(days=90))}
    return await _batch_form(request, fields, "")


async def _batch_form(request: Request, fields: dict[str, str], error: str, status: int = 200) -> Response:
    return await render(
        request, "batch_form.html", status, fields=fields, error=error, form_key=secrets.token_urlsafe(18)
    )


async def create_batch(request: Request) -> Response:
    """POST /admin/vouchers {count, campaign, value, valid_from, valid_to, notify, form}"""
    session, form = await admin_of(request), await form_of(request)
    fields = {
        name: str(form.get(name, "")) for name in ("count", "campaign", "value", "valid_from", "valid_to", "notify")
    }
    numbers = {name: whole_number(fields[name]) for name in ("count", "value")}
    body = fields | {name: -1 if number is None else number for name, number in numbers.items()} | {"currency": "EUR"}
    try:
        response = await site_of(request).apis.call(
            "vouchers", "POST", "voucher-batches", token=session.token, json=body, key=str(form.get("form", ""))
        )
    except ApiError as error:
        if error.status in (400, 409, 422):
            return await _batch_form(request, fields, str(form_errors(error)), error.status)
        raise
    return see_other(f"/admin/vouchers/{quote(response.body['batch_id'], safe='')}")


async def batch(request: Request) -> Response:
    """GET /admin/vouchers/{batch_id}: progress and, once it is complete, a new download link."""
    state = await _batch(request)
    return await render(request, "batch.html", batch=state, ended=state["status"] in BATCH_ENDED)


async def batch_status(request: Request) -> Response:
    """GET /admin/vouchers/{batch_id}/status, for the page's script: {status, generated, count}; no link."""
    state = await _batch(request)
    progress = {name: state.get(name) for name in ("status", "generated", "count")}
    return JSONResponse(
        progress | {"ended": state["status"] in BATCH_ENDED}, headers={"Cache-Control": "private, no-store"}
    )


async def _batch(request: Request) -> dict[str, object]:
    session = await admin_of(request)
    path = f"voucher-batches/{quote(request.path_params['batch_id'], safe='')}"
    return (await site_of(request).apis.call("vouchers", "GET", path, token=session.token)).body


# --- feeds ---


async def upload_feed(request: Request) -> Response:
    """POST /admin/feeds {type, file}: registers a feed and uploads the file to its link."""
    session, form = await admin_of(request), await form_of(request, files=1)
    feed_type, file = str(form.get("type", "")), form.get("file")
    if feed_type not in FEED_TYPES or not isinstance(file, UploadFile):
        raise ApiError(400, "FEED_FILE_MISSING", "The form has no file or an unknown type")
    content = await file.read(MAX_FEED_BYTES + 1)
    if len(content) > MAX_FEED_BYTES:
        raise ApiError(413, "FEED_TOO_LARGE", f"The file has more than {MAX_FEED_BYTES} bytes")
    feed = (await site_of(request).apis.call("feeds", "POST", f"feeds/{feed_type}", token=session.token)).body
    upload = feed["upload"]
    async with httpx.AsyncClient(timeout=UPLOAD_SECONDS) as http:
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                response = await http.request(
                    upload["method"], upload["url"], content=content, headers=upload["headers"]
                )
            response.raise_for_status()
        except (httpx.HTTPError, TimeoutError) as error:
            raise ApiError(503, "UPLOAD_FAILED", "The feeds store did not accept the file") from error
    return see_other(f"/admin/feeds/{feed_type}/{quote(feed['feed_id'], safe='')}")


async def feed(request: Request) -> Response:
    """GET /admin/feeds/{type}/{feed_id}: the manifest."""
    session = await admin_of(request)
    path = "/".join(quote(request.path_params[name], safe="") for name in ("type", "feed_id"))
    manifest = (await site_of(request).apis.call("feeds", "GET", f"feeds/{path}", token=session.token)).body
    return await render(request, "feed.html", manifest=manifest, ended=manifest["status"] in FEED_ENDED)
