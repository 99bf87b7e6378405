"""Identities: registration and authentication without a stored password."""

import base64
import json
from typing import Any

import pytest

from partners import repository
from partners.domain.operations import Write
from partners.simulators import identity as identity_module
from tests.unit.partners.client import Simulators
from tests.unit.partners.samples import LOGIN


def test_an_identity_authenticates_and_its_password_is_not_stored(simulators: Simulators) -> None:
    registration = LOGIN | {"customer_id": "C1"}
    status, identity, _ = simulators.call("POST", "identity/identities", registration)
    assert (status, identity["customer_id"], identity["roles"]) == (201, "C1", [])
    assert simulators.call("POST", "identity/authentications", LOGIN | {"email": "ADA@example.com"})[:2] == (
        200,
        identity,
    )
    assert simulators.call("GET", f"identity/identities/{identity['identity_id']}").body == identity
    assert simulators.call("POST", "identity/identities", registration)[:2] == (200, identity)
    assert "correct horse" not in json.dumps(simulators.items())


def test_two_addresses_are_two_identities_and_two_spellings_one(simulators: Simulators) -> None:
    addresses = ("gross@example.com", "gro\u00df@example.com", "jos\u00e9@example.com")
    ids = [
        simulators.call("POST", "identity/identities", LOGIN | {"email": email}).body["identity_id"]
        for email in addresses
    ]
    assert len({*ids}) == 3
    decomposed = simulators.call("POST", "identity/authentications", LOGIN | {"email": "JOSE\u0301@example.com"})
    assert decomposed.body["identity_id"] == ids[2]


def test_identities_keep_the_ids_that_they_have_always_had() -> None:
    assert identity_module.identity_id("Ada@Example.com") == "id-c4e7ca6c-ff22-5102-9b85-a834eaf755f2"


def test_a_password_that_was_hashed_in_fewer_rounds_matches(simulators: Simulators) -> None:
    simulators.call("POST", "identity/identities", LOGIN | {"customer_id": "C1"})
    key = identity_module.identity_id(LOGIN["email"])
    stored = repository.read("identities", key)
    assert stored
    salt = base64.b64decode(stored.document["salt"])
    before = {name: value for name, value in stored.document.items() if name != "rounds"}
    before["password_hash"] = identity_module._hash(LOGIN["password"], salt, before["cost"], 1)
    repository.write(Write("identities", key, before, stored))
    assert simulators.call("POST", "identity/authentications", LOGIN).status == 200
    assert simulators.call("POST", "identity/authentications", LOGIN | {"password": "wrong"}).status == 401


def test_the_password_hash_has_the_parameters_of_owasp() -> None:
    """N 2**14 with p 5, r 8; the cost is what all stages but the local one deploy (test_timers.py)."""
    assert (identity_module._SCRYPT["r"], identity_module._ROUNDS) == (8, 5)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("identities", LOGIN | {"customer_id": "C2"}, 409, "EMAIL_TAKEN"),
        ("identities", LOGIN, 409, "EMAIL_TAKEN"),
        ("identities", LOGIN | {"customer_id": "C1", "password": "another one"}, 409, "EMAIL_TAKEN"),
        ("identities", LOGIN | {"email": "Ada@Example.com"}, 409, "EMAIL_TAKEN"),
        ("identities", LOGIN | {"email": "nobody"}, 400, "INVALID_REQUEST"),
        ("identities", LOGIN | {"email": "a..b@example.com"}, 400, "INVALID_REQUEST"),
        ("identities", LOGIN | {"email": "a\0b@example.com"}, 400, "INVALID_REQUEST"),
        ("identities", LOGIN | {"email": "a\u202eb@example.com"}, 400, "INVALID_REQUEST"),
        ("identities", LOGIN | {"roles": ["root"]}, 400, "INVALID_REQUEST"),
        ("authentications", LOGIN | {"password": "wrong"}, 401, "WRONG_CREDENTIALS"),
        ("authentications", LOGIN | {"email": "bob@example.com"}, 401, "WRONG_CREDENTIALS"),
        ("authentications", {"email": "ada@example.com"}, 400, "INVALID_REQUEST"),
    ],
)
def test_wrong_credentials_and_taken_addresses_are_refused(
    simulators: Simulators, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    simulators.call("POST", "identity/identities", LOGIN | {"customer_id": "C1"})
    response = simulators.call("POST", f"identity/{path}", body)
    assert (response.status, response.body["code"]) == (status, code)


def test_a_refusal_does_not_repeat_the_values_of_the_request(simulators: Simulators) -> None:
    response = simulators.call("POST", "identity/identities", {"email": "secret-address", "password": "hush"})
    assert response.status == 400
    assert {error["pointer"] for error in response.body["errors"]} == {"/email", "/password"}
    assert "secret-address" not in json.dumps(response.body)
    assert "hush" not in json.dumps(response.body)
