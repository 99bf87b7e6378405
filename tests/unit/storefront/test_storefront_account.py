"""Sign-up, sign-in and sign-out pages."""

from typing import Any

import httpx
import pytest

from app.messages import FIELDS
from tests.unit.storefront_app import Browser, problem, sent

TOKEN = "0" * 32 + "." + "A" * 43
PERSON = {"email": "ada@example.com", "password": "correct horse battery"}


class Apis:
    """Fakes the shop's APIs; records calls and open sessions."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.headers: list[httpx.Headers] = []
        self.sessions: list[str] = []
        self.refusals: dict[str, httpx.Response] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = f"{request.url.host}{request.url.path}"
        self.calls.append((request.method, path, sent(request) if request.content else {}))
        self.headers.append(request.headers)
        if path in self.refusals:
            return self.refusals[path]
        match request.method, path:
            case "POST", "login/v1/sessions":
                self.sessions.append(f"token-{len(self.calls)}")
                body = {"session_token": self.sessions[-1], "customer_id": "C1", "roles": []}
                return httpx.Response(201, json=body | {"expires_at": "2099-01-01T00:00:00+00:00"})
            case "DELETE", "login/v1/sessions/current":
                self.sessions.remove(request.headers["authorization"].removeprefix("Bearer "))
                return httpx.Response(204)
            case "DELETE", "login/v1/sessions":
                self.sessions.clear()
                return httpx.Response(204)
            case "POST", "customers/v1/customers":
                return httpx.Response(202, json={"status": "PENDING"})
            case "POST", "customers/v1/customers/confirmations":
                return httpx.Response(201, json={"customer_id": "C1", "email": PERSON["email"]})
        return httpx.Response(404, json={"code": "NOT_FOUND"})


@pytest.fixture
def apis() -> Apis:
    return Apis()


@pytest.fixture
def browser(apis: Apis) -> Browser:
    return Browser(apis)


def test_sign_up_requests_a_mail_and_a_second_click_repeats_the_idempotency_key(browser: Browser, apis: Apis):
    form = {"name": "Ada", "email": PERSON["email"], "key": "k1"}
    responses = [browser.post("/sign-up", form) for _ in range(2)]
    assert {response.status_code for response in responses} == {202}
    assert PERSON["email"] in responses[0].text
    assert apis.calls == [("POST", "customers/v1/customers", {"name": "Ada", "email": PERSON["email"]})] * 2
    assert [headers["idempotency-key"] for headers in apis.headers] == ["k1", "k1"]


def test_confirmation_sets_the_password_and_signs_in(browser: Browser, apis: Apis):
    response = browser.post("/sign-up/confirm", {"token": f" {TOKEN} ", "password": PERSON["password"]})
    assert (response.status_code, response.headers["location"]) == (303, "/account")
    assert apis.calls == [
        ("POST", "customers/v1/customers/confirmations", {"token": TOKEN, "password": PERSON["password"]}),
        ("POST", "login/v1/sessions", PERSON),
    ]


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [(404, "CONFIRMATION_NOT_FOUND", "Sign up again"), (409, "EMAIL_TAKEN", "Sign in instead")],
)
def test_refused_confirmation_shows_a_remedy(browser: Browser, apis: Apis, status: int, code: str, message: str):
    apis.refusals["customers/v1/customers/confirmations"] = problem(status, code)
    response = browser.post("/sign-up/confirm", {"token": TOKEN, "password": PERSON["password"]})
    assert response.status_code == status
    assert message in response.text
    assert PERSON["password"] not in response.text


def test_signing_in_again_ends_the_previous_session(browser: Browser, apis: Apis):
    browser.post("/sign-in", PERSON)
    (first,) = apis.sessions
    browser.post("/sign-in", PERSON)
    assert apis.sessions
    assert first not in apis.sessions
    assert len(apis.sessions) == 1


def test_failed_sign_in_keeps_the_previous_session(browser: Browser, apis: Apis):
    browser.post("/sign-in", PERSON)
    apis.refusals["login/v1/sessions"] = problem(401, "INVALID_CREDENTIALS")
    assert browser.post("/sign-in", PERSON).status_code == 401
    assert len(apis.sessions) == 1


def test_too_many_sign_in_attempts_show_a_message(browser: Browser, apis: Apis):
    apis.refusals["login/v1/sessions"] = problem(429, "TOO_MANY_ATTEMPTS")
    response = browser.post("/sign-in", PERSON)
    assert response.status_code == 429
    assert "Too many attempts" in response.text


def test_sign_in_forwards_the_client_address(browser: Browser, apis: Apis):
    """The API counts failures by client address, and all requests of a container come from one address."""
    browser.post("/sign-in", PERSON, **{"X-Viewer-Address": "2001:db8::7"})
    assert apis.headers[-1]["x-forwarded-for"] == "2001:db8::7"


def test_sign_out_everywhere_ends_all_sessions(browser: Browser, apis: Apis):
    browser.post("/sign-in", PERSON)
    apis.sessions.append("of another device")
    assert browser.post("/sign-out").status_code == 303
    assert apis.sessions == ["of another device"]
    browser.post("/sign-in", PERSON)
    browser.post("/sign-out", {"everywhere": "1"})
    assert apis.sessions == []


@pytest.mark.parametrize("status", [429, 503])
def test_failed_sign_out_everywhere_is_an_error_page(browser: Browser, apis: Apis, status: int):
    browser.post("/sign-in", PERSON)
    apis.sessions.append("of another device")
    apis.refusals["login/v1/sessions"] = problem(status, "SLOW")
    assert browser.post("/sign-out", {"everywhere": "1"}).status_code == status
    assert len(apis.sessions) == 2
    apis.refusals.clear()
    assert browser.post("/sign-out", {"everywhere": "1"}).status_code == 303
    assert apis.sessions == []


def test_sign_out_everywhere_with_an_ended_session_requests_a_sign_in(browser: Browser, apis: Apis):
    browser.post("/sign-in", PERSON)
    apis.refusals["login/v1/sessions"] = problem(401, "SESSION_INVALID")
    response = browser.post("/sign-out", {"everywhere": "1"})
    assert response.status_code == 401
    assert "Please sign in again" in response.text


@pytest.mark.parametrize("form", [{}, {"everywhere": "1"}])
def test_basket_of_the_account_is_not_shown_after_sign_out(browser: Browser, form: dict[str, str]):
    browser.post("/sign-in", PERSON)
    browser.cookies.set("__Host-basket", "b" * 32, domain="shop.example")
    browser.post("/sign-out", form)
    assert "__Host-basket" not in browser.cookies


def test_basket_of_another_account_is_not_shown_after_sign_in(browser: Browser, apis: Apis):
    """A guest's basket stays when the guest signs in."""
    browser.cookies.set("__Host-basket", "b" * 32, domain="shop.example")
    browser.post("/sign-in", PERSON)
    browser.post("/sign-in", PERSON)
    assert browser.cookies["__Host-basket"] == "b" * 32
    session = {"session_token": "t", "customer_id": "C2", "roles": [], "expires_at": "2099-01-01T00:00:00Z"}
    apis.refusals["login/v1/sessions"] = httpx.Response(201, json=session)
    browser.post("/sign-in", PERSON)
    assert "__Host-basket" not in browser.cookies


@pytest.mark.parametrize("pointer", ["/name", "/email"])
def test_refused_sign_up_shows_what_to_do_and_no_pattern(browser: Browser, apis: Apis, pointer: str):
    errors = [{"pointer": pointer, "message": "must match ^[^\\x00]{1,80}$"}]
    apis.refusals["customers/v1/customers"] = problem(400, "INVALID_REQUEST", errors=errors)
    page = browser.post("/sign-up", {"name": "Ada", "email": "ada@", "key": "k"})
    assert page.status_code == 400
    assert FIELDS[pointer[1:]][1] in page.text
    assert "must match" not in page.text
    assert 'value="ada@"' in page.text
