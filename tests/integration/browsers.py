"""Browsers of the storefront."""

import re

import httpx

from tools.client import RESPONSE_SECONDS, Shop


def browser(base: str) -> httpx.Client:
    """Keeps cookies and follows redirects, as a browser does."""
    return httpx.Client(
        base_url=base, follow_redirects=True, headers={"Sec-Fetch-Site": "same-origin"}, timeout=RESPONSE_SECONDS
    )


def page_text(response: httpx.Response) -> str:
    """The text of the page's main element."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.text.partition("<main")[2]).split())


def sign_in(client: httpx.Client, shop: Shop, who: str, to: str = "/") -> httpx.Response:
    person = shop.samples[who]
    return client.post("/sign-in", data={"email": person["email"], "password": person["password"], "next": to})
