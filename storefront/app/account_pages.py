"""Pages of sign-up, sign-in, sign-out and the customer's account."""

import secrets
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.apis import ApiError
from app.messages import form_errors, notice
from app.pages import form_of, local_path, render, see_other, session_of, site_of
from app.sessions import Session
from app.shop_pages import forget_basket


async def sign_in_form(request: Request) -> Response:
    """GET /sign-in?next="""
    return await render(
        request, "sign_in.html", next=local_path(request.query_params.get("next", "")), email="", error=""
    )


async def sign_in(request: Request) -> Response:
    """POST /sign-in {email, password, next}"""
    form = await form_of(request)
    email, target = str(form.get("email", "")), local_path(str(form.get("next", "")))
    try:
        return await _start_session(request, email, str(form.get("password", "")), target)
    except ApiError as error:
        if error.status >= 500 and error.code != "NO_STORE":
            raise
        message = str(form_errors(error))
        return await render(request, "sign_in.html", error.status, next=target, email=email, error=message)


async def _start_session(request: Request, email: str, password: str, target: str) -> Response:
    """Sign in, redirect to ``target``, and end the browser's previous session. Raises ``ApiError``."""
    site, previous = site_of(request), await session_of(request)
    credentials = {"email": email, "password": password}
    body = (await site.apis.call("login", "POST", "sessions", json=credentials, client=_client_address(request))).body
    expires_at = int(datetime.fromisoformat(body["expires_at"]).timestamp())
    admin = "admin" in body["roles"]
    session = Session(body["session_token"], body["customer_id"] or "", email, expires_at, admin)
    response = see_other(target)
    if not await site.sessions.create(response, session):
        raise ApiError(503, "NO_STORE", "The session store does not respond")
    await site.sessions.delete(request)
    if previous and previous.customer_id != session.customer_id:
        await forget_basket(request, response)
    if previous:
        await _end_api_session(request, previous)
    return response


def _client_address(request: Request) -> str:
    return request.client.host if request.client else ""


async def _end_api_session(request: Request, session: Session) -> None:
    """End a session of the login API; ignores a session that has already ended and an API that is unavailable."""
    try:
        await site_of(request).apis.call("login", "DELETE", "sessions/current", token=session.token)
    except ApiError as error:
        if error.status != 401 and error.status < 500:
            raise


async def sign_up_form(request: Request) -> Response:
    """GET /sign-up"""
    return await render(request, "sign_up.html", name="", email="", error="", key=secrets.token_urlsafe(16))


async def sign_up(request: Request) -> Response:
    """POST /sign-up {name, email, key}: requests a mail with a link; ``key`` prevents a second mail on a second click."""
    form = await form_of(request)
    person = {name: str(form.get(name, "")) for name in ("name", "email")}
    key = str(form.get("key", "")) or secrets.token_urlsafe(16)
    try:
        await site_of(request).apis.call("customers", "POST", "customers", json=person, key=key)
    except ApiError as error:
        if error.status >= 500:
            raise
        message = str(form_errors(error))
        return await render(request, "sign_up.html", error.status, **person, error=message, key=key)
    return await render(request, "sign_up_mailed.html", 202, email=person["email"])


async def confirm_form(request: Request) -> Response:
    """GET /sign-up/confirm#<token>; the page's script copies the token into the form."""
    return await render(request, "sign_up_confirm.html", token="", error="")


async def confirm(request: Request) -> Response:
    """POST /sign-up/confirm {token, password}: creates the account and signs its owner in."""
    form = await form_of(request)
    confirmation = {"token": str(form.get("token", "")).strip(), "password": str(form.get("password", ""))}
    try:
        response = await site_of(request).apis.call("customers", "POST", "customers/confirmations", json=confirmation)
        return await _start_session(request, response.body["email"], confirmation["password"], "/account")
    except ApiError as error:
        if error.status >= 500 and error.code != "NO_STORE":
            raise
        message = str(form_errors(error))
        return await render(request, "sign_up_confirm.html", error.status, token=confirmation["token"], error=message)


async def sign_out(request: Request) -> Response:
    """POST /sign-out {everywhere?}. Ends the storefront's session at once, and the API's session if the API responds.

    Forgets the basket: the next person at this browser sees neither the basket nor what was typed at its checkout.
    With ``everywhere`` the API ends all sessions. If it does not respond, the response is an error page and the session stays.
    """
    site, session = site_of(request), await session_of(request)
    # Without content, too: signing out must not fail.
    everywhere = "content-type" in request.headers and bool((await form_of(request)).get("everywhere"))
    if session and everywhere:
        await site.apis.call("login", "DELETE", "sessions", token=session.token)
    response = see_other("/")
    await site.sessions.end(request, response)
    await forget_basket(request, response)
    if session and not everywhere:
        await _end_api_session(request, session)
    return response


async def account(request: Request) -> Response:
    """GET /account?orders=: profile, rewards, and a page of orders, newest first."""
    session = await session_of(request)
    if not session or not session.customer_id:
        return see_other("/sign-in?next=/account")
    apis, path = site_of(request).apis, f"customers/{session.customer_id}"
    profile = await apis.call("customers", "GET", f"{path}/profile", token=session.token)
    older = {"page_token": page} if (page := request.query_params.get("orders")) else {}
    code = request.query_params.get("message", "")
    values: dict[str, Any] = {
        "profile": profile.body,
        "version": profile.headers.get("etag", ""),
        "rewards": await _optional(request, "customers", f"{path}/rewards", session.token),
        "orders": await _optional(request, "orders", "orders", session.token, older),
        "message": notice(code),
        "saved": code == "SAVED",
    }
    return await render(request, "account.html", **values)


async def _optional(
    request: Request, service: str, path: str, token: str, query: dict[str, str] | None = None
) -> dict[str, object]:
    """Return a service's response, or {} while the service is unavailable: the page is useful without it."""
    try:
        return (await site_of(request).apis.call(service, "GET", path, token=token, query=query)).body
    except ApiError as error:
        if error.status < 500:
            raise
        return {}


async def change_profile(request: Request) -> Response:
    """POST /account {name, version}: changes the name if the profile still has the version (optimistic locking)."""
    session = await session_of(request)
    if not session or not session.customer_id:
        return see_other("/sign-in?next=/account")
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
    except ApiError as error:
        if error.status in (400, 409, 412):
            return see_other(f"/account?message={error.code}")
        raise
    return see_other("/account?message=SAVED")
