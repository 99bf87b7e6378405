"""Sign up, sign in and out, and what the shop knows of a customer."""

import secrets
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.apis import Refused
from app.pages import form_of, own_path, session_of, show, site_of, to
from app.sessions import Session

# What a form's reader can do about a refusal, by the API's code; anything else is shown as the API says it.
WORDS = {
    "INVALID_CREDENTIALS": "E-mail and password do not belong together.",
    "TOO_MANY_ATTEMPTS": "Too many attempts. Try again in a few minutes.",
    "EMAIL_TAKEN": "There is an account with this e-mail already. Sign in instead.",
    "CONFIRMATION_NOT_FOUND": "This code is not valid, or has expired. Sign up again for a new one.",
    "NO_STORE": "Nobody can be signed in at the moment. You can go on as a guest.",
}


async def sign_in_form(request: Request) -> Response:
    """GET /sign-in?next="""
    return await show(request, "sign_in.html", next=own_path(request.query_params.get("next", "")), email="", error="")


async def sign_in(request: Request) -> Response:
    """POST /sign-in {email, password, next}"""
    form = await form_of(request)
    email, target = str(form.get("email", "")), own_path(str(form.get("next", "")))
    try:
        return await _signed_in(request, email, str(form.get("password", "")), target)
    except Refused as error:
        if error.status >= 500 and error.code != "NO_STORE":
            raise
        words = WORDS.get(error.code, error.detail)
        return await show(request, "sign_in.html", error.status, next=target, email=email, error=words)


async def _signed_in(request: Request, email: str, password: str, target: str) -> Response:
    """A new session; the one that this browser had ends."""
    site, before = site_of(request), await session_of(request)
    credentials = {"email": email, "password": password}
    body = (await site.apis.call("login", "POST", "sessions", json=credentials, client=_client(request))).body
    expires_at = int(datetime.fromisoformat(body["expires_at"]).timestamp())
    admin = "admin" in body["roles"]
    session = Session(body["session_token"], body["customer_id"] or "", email, expires_at, admin)
    response = to(target)
    if not await site.sessions.begin(response, session):
        raise Refused(503, "NO_STORE", "The session store does not answer")
    await site.sessions.forget(request)
    if before:
        await _end(request, before)
    return response


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


async def _end(request: Request, session: Session) -> None:
    """End a session of the API, if it answers; one that has ended already is none to be ended."""
    try:
        await site_of(request).apis.call("login", "DELETE", "sessions/current", token=session.token)
    except Refused as error:
        if error.status != 401 and error.status < 500:
            raise


async def sign_up_form(request: Request) -> Response:
    """GET /sign-up"""
    return await show(request, "sign_up.html", name="", email="", error="", key=secrets.token_urlsafe(16))


async def sign_up(request: Request) -> Response:
    """POST /sign-up {name, email, key}: a link is mailed, which a second click does not send again."""
    form = await form_of(request)
    given = {name: str(form.get(name, "")) for name in ("name", "email")}
    key = str(form.get("key", "")) or secrets.token_urlsafe(16)
    try:
        await site_of(request).apis.call("customers", "POST", "customers", json=given, key=key)
    except Refused as error:
        if error.status >= 500:
            raise
        words = WORDS.get(error.code, error.detail)
        return await show(request, "sign_up.html", error.status, **given, error=words, key=key)
    return await show(request, "sign_up_mailed.html", 202, email=given["email"])


async def confirm_form(request: Request) -> Response:
    """GET /sign-up/confirm#<token>, which the page's script puts into the form."""
    return await show(request, "sign_up_confirm.html", token="", error="")


async def confirm(request: Request) -> Response:
    """POST /sign-up/confirm {token, password}: the account is made, and its owner signed in."""
    form = await form_of(request)
    given = {"token": str(form.get("token", "")).strip(), "password": str(form.get("password", ""))}
    try:
        body = (await site_of(request).apis.call("customers", "POST", "customers/confirmations", json=given)).body
        return await _signed_in(request, body["email"], given["password"], "/account")
    except Refused as error:
        if error.status >= 500 and error.code != "NO_STORE":
            raise
        words = WORDS.get(error.code, error.detail)
        return await show(request, "sign_up_confirm.html", error.status, token=given["token"], error=words)


async def sign_out(request: Request) -> Response:
    """POST /sign-out {everywhere?}. Signed out here at once; the API's session ends if it answers.

    Everywhere: only the API can do that. If it does not answer, the page says so and the person stays signed in, to try again.
    """
    site, session = site_of(request), await session_of(request)
    everywhere = bool((await form_of(request)).get("everywhere"))
    if session and everywhere:
        await site.apis.call("login", "DELETE", "sessions", token=session.token)
    response = to("/")
    await site.sessions.end(request, response)
    if session and not everywhere:
        await _end(request, session)
    return response


async def account(request: Request) -> Response:
    """GET /account?orders=: profile, rewards, and a page of orders, newest first."""
    session = await session_of(request)
    if not session or not session.customer_id:
        return to("/sign-in?next=/account")
    apis, path = site_of(request).apis, f"customers/{session.customer_id}"
    profile = await apis.call("customers", "GET", f"{path}/profile", token=session.token)
    older = {"page_token": page} if (page := request.query_params.get("orders")) else {}
    values: dict[str, Any] = {
        "profile": profile.body,
        "version": profile.headers.get("etag", ""),
        "rewards": await _if_there(request, "customers", f"{path}/rewards", session.token),
        "orders": await _if_there(request, "orders", "orders", session.token, older),
        "message": request.query_params.get("message", ""),
    }
    return await show(request, "account.html", **values)


async def _if_there(
    request: Request, service: str, path: str, token: str, query: dict[str, str] | None = None
) -> dict[str, object]:
    """What a service answers, {} while it does not: the page is worth showing without it."""
    try:
        return (await site_of(request).apis.call(service, "GET", path, token=token, query=query)).body
    except Refused as error:
        if error.status < 500:
            raise
        return {}


async def change_profile(request: Request) -> Response:
    """POST /account {name, version}: the name, unless somebody else has changed it meanwhile."""
    session = await session_of(request)
    if not session or not session.customer_id:
        return to("/sign-in?next=/account")
    form = await form_of(request)
    try:
        await site_of(request).apis.call(
            "customers",
            "PATCH",
            f"customers/{session.customer_id}/profile",
            token=session.token,
            json={"name": str(form.get("name", ""))},
            match=str(form.get("version", "")),
        )
    except Refused as error:
        if error.status in (400, 409, 412):
            return to(f"/account?message={error.code}")
        raise
    return to("/account?message=SAVED")
