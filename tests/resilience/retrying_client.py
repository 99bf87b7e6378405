"""A client of the whole shop that retries as documented and records the shop's promises."""

import random
import time
from typing import Any

import httpx

from tools.client import Shop, unique
from tools.drivers.promises import Promises

# How long a client retries. After all workers were killed, a machine with two cores needs a while.
PATIENCE_SECONDS = 300
# Timeout of one request, and the maximum pause between two.
ANSWER_SECONDS = 35
PAUSE_SECONDS = 2.0
# Statuses that a client retries; 0 is no response.
AGAIN = frozenset({0, 429, 500, 502, 503, 504})


class Refused(AssertionError):
    """A client received an unexpected response, or its retries ended."""


class Client:
    """One client with any session. ``promises`` are shared by all clients of a run."""

    def __init__(self, shop: Shop, promises: Promises, seed: str | int) -> None:
        self.shop, self.promises, self.chance = shop, promises, random.Random(seed)

    def call(self, method: str, path: str, *expected: int, **options: Any) -> httpx.Response:
        """Send a request, retrying while its status is in ``AGAIN``. Returns the first response in ``expected``."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            status, response = self.request(method, path, **options)
            if response is not None and status in expected:
                return response
            detail = f"{method} {path} returned {status}: {response.text[:300] if response is not None else ''}"
            if status not in AGAIN:
                raise Refused(detail)
            if time.monotonic() > deadline:
                raise Refused(f"{detail}; for {PATIENCE_SECONDS} s")
            advised = response.headers.get("retry-after", "") if response is not None else ""
            pause = min(float(advised) if advised.isdigit() else 0.3, PAUSE_SECONDS)
            time.sleep(pause * self.chance.uniform(0.5, 1))

    def request(self, method: str, path: str, **options: Any) -> tuple[int, httpx.Response | None]:
        """Send one request. Returns (status, response), or (0, None) without a response."""
        try:
            response = self.shop.call(method, path, timeout=ANSWER_SECONDS, **options)
        except httpx.HTTPError:
            self.promises.count_response(path, 0)
            return 0, None
        is_problem = response.headers.get("content-type") == "application/problem+json"
        self.promises.count_response(path, response.status_code, response.json().get("code", "") if is_problem else "")
        return response.status_code, response

    def secret(self, prefix: str) -> str:
        """Create a text that no log may contain."""
        text = unique(prefix)
        self.promises.add_secrets(text)
        return text

    def sign_in(self, email: str, password: str) -> dict[str, str]:
        """Sign in. Returns the headers of the session."""
        self.promises.add_secrets(email, password)
        response = self.call("POST", "/login/v1/sessions", 201, json={"email": email, "password": password})
        token = response.json()["session_token"]
        self.promises.add_secrets(token)
        return {"Authorization": f"Bearer {token}"}

    def admin(self) -> dict[str, str]:
        person = self.shop.samples["admin"]
        return self.sign_in(person["email"], person["password"])


# --- customers ---
