"""Sample data of a shop: products, a customer and an admin, through the APIs of the simulators.

    SETPIECES_STAGE=dev python -m tools.cli seed    seeds the simulators of a deployed stage, as make test-deployed does

Existing data does not change, so the command can be repeated. Passwords are generated on this machine and stored in the samples
file, which only its owner can read.
"""

import json
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import click
import httpx

from tools import samples
from tools.client import Shop, credentials, samples_file
from tools.failures import CommandFailed, requires_shop
from tools.progress import step

CLIENTS = 4
TRIES = 5


class SeedFailed(CommandFailed):
    """The message has the failed request and its response."""


@dataclass(frozen=True)
class Person:
    """A sample person; ``role`` is the name in the samples file. Customer ids are lower than those that sequences issue."""

    role: str
    customer_id: str
    name: str
    roles: tuple[str, ...] = ()


PEOPLE = (Person("customer", "C000000001", "Ada Sample"), Person("admin", "C000000002", "Grace Sample", ("admin",)))


def seed(shop: Shop, samples_file: Path) -> dict[str, Any]:
    """Seed a running shop and write ``samples_file``; returns its content:

        {"customer": {email, password, customer_id}, "admin": {email, password, customer_id}, "ingest_api_key": "",
         "aws": {endpoint, region, access_key_id, secret_access_key}}

    The key is empty while ingestion is not deployed; ``aws`` has the root credentials of a local cloud. Raises ``SeedFailed``.
    """
    existing = json.loads(samples_file.read_text()) if samples_file.exists() else {}
    contents = {person.role: existing.get(person.role) or _credentials(person) for person in PEOPLE}
    contents["ingest_api_key"] = ingest_api_key(shop)
    if shop.endpoint:
        contents["aws"] = _root(shop.session, shop.endpoint)
    # Written before the people are created: a lost password cannot be recovered.
    _write_private(samples_file, contents)
    _put_products(shop)
    for person in PEOPLE:
        _put_person(shop, person, contents[person.role])
    return contents


def stock_simulators(shop: Shop) -> None:
    """Create the sample products if the simulators have none, as after the first deployment. Raises ``SeedFailed``."""
    if not _send(shop, "GET", "commerce/products").json()["items"]:
        _put_products(shop)


def ingest_api_key(shop: Shop) -> str:
    """The API key of the ingestion service, "" if there is none."""
    name = f"setpieces-{shop.stage}-ingestion"
    keys = shop.aws("apigateway").get_api_keys(nameQuery=name, includeValues=True)["items"]
    return next((key["value"] for key in keys if key["name"].startswith(name)), "")


def _root(session: boto3.Session, endpoint: str) -> dict[str, str]:
    keys = credentials(session)
    return {
        "endpoint": endpoint,
        "region": session.region_name,
        "access_key_id": keys.access_key,
        "secret_access_key": keys.secret_key,
    }


def _credentials(person: Person) -> dict[str, str]:
    return {
        "email": f"{person.role}.{secrets.token_hex(3)}@example.com",
        "password": secrets.token_urlsafe(18),
        "customer_id": person.customer_id,
    }


def _put_products(shop: Shop) -> None:
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(lambda product: _put_product(shop, product), samples.products()))


def _put_product(shop: Shop, product: dict[str, Any]) -> None:
    # 409: a feed or a test has stored a newer version.
    _send(shop, "PUT", f"commerce/products/{product['sku']}", product, accept=(409,))


def _put_person(shop: Shop, person: Person, credentials: dict[str, str]) -> None:
    identity = _send(shop, "POST", "identity/identities", credentials | {"roles": list(person.roles)}).json()
    identity_id = identity["identity_id"]
    path = f"commerce/customers/{person.customer_id}"
    stored = _send(shop, "GET", path, accept=(404,))
    if stored.status_code == 404 or stored.json()["identity_id"] != identity_id:
        precondition = {"If-Match": stored.headers["ETag"]} if stored.status_code == 200 else {"If-None-Match": "*"}
        customer = samples.customer(person.customer_id, identity_id, person.name, credentials["email"])
        _send(shop, "PUT", path, customer, headers=precondition)
    path = f"rewards/members/{person.customer_id}"
    stored = _send(shop, "GET", path, accept=(404,))
    if stored.status_code == 404 or stored.json()["identity_id"] != identity_id:
        _send(shop, "PUT", path, samples.member(person.customer_id, identity_id))


def _send(
    shop: Shop,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    accept: tuple[int, ...] = (),
) -> httpx.Response:
    """The response if its status is a success or in ``accept``. Raises ``SeedFailed``.

    Retries time-outs and 5xx, which a busy machine causes; all requests can be repeated.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            response = shop.call(method, f"/partners/v1/{path}", json=body, headers=headers)
        except httpx.HTTPError as error:
            if not tries_left:
                raise SeedFailed(
                    f"Seeding failed: {method} {path} got no response: {error!r}. Check the shop: make status"
                ) from error
            continue
        if not response.is_server_error:
            break
    if not response.is_success and response.status_code not in accept:
        raise SeedFailed(f"Seeding failed: {method} {path} returned {response.status_code}: {response.text[:300]}")
    return response


def _write_private(path: Path, contents: dict[str, Any]) -> None:
    """Replace ``path`` atomically by a file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(contents, file, indent=2)
        file.write("\n")
    partial.replace(path)


@click.command()
@requires_shop
def main() -> None:
    """Seed products, a customer and an administrator; existing data does not change."""
    shop = Shop.from_environment()
    with step(f"seeding stage {shop.stage}"):
        seed(shop, samples_file(shop.stage))
