"""Parsing of requests: valid and invalid values of every field, and pointers to the invalid ones."""

import json

import pytest

from customers.requests import (
    MAX_ADDRESSES,
    MIN_PASSWORD_LENGTH,
    RequestSignUp,
    parse_create_customer,
    parse_request_sign_up,
    parse_update_profile,
)
from model.settings import ROOT
from setpieces.errors import Refused
from setpieces.postal import LONGEST
from setpieces.rest_api import Request, status_of

SIGN_UP = {"email": "ada@example.com", "name": "Ada"}
CONFIRMATION = {"token": "0" * 32 + "." + "A" * 43, "password": "correct horse battery"}
HOME = {"name": "Ada", "street": "Main Street", "house_number": "1", "city": "Springfield", "country": "DE"}
# The largest body that the commerce platform takes.
PLATFORM_BYTES = 32 * 1024


def request(body: object = None, **headers: str) -> Request:
    return Request(
        method="PATCH",
        path="/v1/x",
        path_parameters={"customer_id": "C1"},
        query={},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        raw_body=json.dumps(body),
        request_id="r",
        correlation_id="c",
        authorizer={"customer_id": "C1"},
        remaining_seconds=lambda: 5.0,
    )


def pointer(problem: Refused) -> str:
    return problem.errors[0]["pointer"]


def refusal_of(patch: object) -> Refused | None:
    try:
        parse_update_profile(request(patch))
    except Refused as problem:
        return problem
    return None


@pytest.mark.parametrize(
    ("patch", "at"),
    [
        ({"name": None}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "   "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "line\nbreak"}, "/name"),
        ({"name": 1}, "/name"),
        ({"phone": "no number"}, "/phone"),
        ({"phone": 491234}, "/phone"),
        ({"marketing_opt_in": "yes"}, "/marketing_opt_in"),
        ({"marketing_opt_in": 1}, "/marketing_opt_in"),
        ({"addresses": {}}, "/addresses"),
        ({"addresses": [HOME] * (MAX_ADDRESSES + 1)}, "/addresses"),
        ({"addresses": [HOME, "x"]}, "/addresses/1"),
        ({"addresses": [HOME, HOME | {"country": "Germany"}]}, "/addresses/1/country"),
        ({"addresses": [{"name": "Ada"}]}, "/addresses/0/country"),
        ({"addresses": [HOME | {"a/b~c": "x"}]}, "/addresses/0/a~1b~0c"),
        ({"addresses": [HOME | {"city": None}]}, "/addresses/0/city"),
        ({"email": "eve@example.com"}, "/email"),
        ({"email": None}, "/email"),
        ({"customer_id": "C2"}, "/customer_id"),
        ({"identity_id": "x"}, "/identity_id"),
        ({"version": 9}, "/version"),
        ({"origin": "migration"}, "/origin"),
        ({"a/b": 1}, "/a~1b"),
    ],
)
def test_an_invalid_patch_is_refused_with_a_pointer_to_the_fault(patch, at: str):
    with pytest.raises(Refused) as caught:
        parse_update_profile(request(patch))
    assert (status_of(caught.value), pointer(caught.value)) == (400, at)


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"name": "漢字 😀 O'Brien"},
        {"phone": "+49 (0)30 123-45/6"},
        {"phone": None, "addresses": None, "marketing_opt_in": None},
        {"addresses": []},
        {"addresses": [HOME] * MAX_ADDRESSES},
        {"marketing_opt_in": True},
    ],
)
def test_a_valid_patch_is_returned_as_it_was_sent(patch):
    assert parse_update_profile(request(patch)).patch == patch


@pytest.mark.parametrize("letter", ["a", "é", "漢", "😀"])
def test_a_patch_that_passes_fits_into_a_request_to_the_platform(letter: str):
    """Every field as long as it may be, with fewer and fewer addresses until it passes."""
    full = {name: letter * longest for name, longest in LONGEST.items()}
    full |= {"postal_code": "1" * LONGEST["postal_code"], "country": "DE"}
    for count in range(MAX_ADDRESSES, 0, -1):
        patch = {"name": letter * 200, "phone": "+" + "1" * 39, "addresses": [full] * count}
        refusal = refusal_of(patch)
        if refusal:
            assert (refusal.code, pointer(refusal)) == ("INVALID_REQUEST", "/addresses")
            continue
        assert len(json.dumps(patch)) < PLATFORM_BYTES - 1024
        return
    raise AssertionError("not even one address passes")


@pytest.mark.parametrize(
    ("change", "at"),
    [
        *(({name: None}, f"/{name}") for name in SIGN_UP),
        *(({name: 1}, f"/{name}") for name in SIGN_UP),
        ({"email": "ada"}, "/email"),
        ({"email": "a b@example.com"}, "/email"),
        # SES would mail each of these to a mailbox whose mails are counted under another address.
        ({"email": "1<ada@example.com"}, "/email"),
        ({"email": "1<ada@example.com>"}, "/email"),
        ({"email": "1(ada)ada@example.com"}, "/email"),
        ({"email": '"ada"@example.com'}, "/email"),
        ({"email": "1,ada@example.com"}, "/email"),
        ({"email": "1;ada@example.com"}, "/email"),
        ({"email": "x:ada@example.com"}, "/email"),
        ({"email": "ada@example.com(1)"}, "/email"),
        ({"email": "ada@example..com"}, "/email"),
        ({"email": "ada@example.com."}, "/email"),
        ({"email": "a..da@example.com"}, "/email"),
        ({"email": "ada.@example.com"}, "/email"),
        ({"email": "ada@exam\u200bple.com"}, "/email"),
        ({"email": "ada@shop.invalid"}, "/email"),
        # SES sends no mail to it.
        ({"email": "gro\u00df@example.com"}, "/email"),
        ({"email": f"{'a' * 65}@example.com"}, "/email"),
        ({"email": f"a@{'b' * 254}.com"}, "/email"),
        ({"name": "x" * 201}, "/name"),
        ({"password": "correct horse battery"}, "/password"),
        ({"roles": ["admin"]}, "/roles"),
    ],
)
def test_an_invalid_sign_up_is_refused_with_a_pointer_to_the_fault(change, at: str):
    with pytest.raises(Refused) as caught:
        parse_request_sign_up(request(SIGN_UP | change))
    assert (status_of(caught.value), pointer(caught.value)) == (400, at)


@pytest.mark.parametrize(
    ("change", "at"),
    [
        *(({name: None}, f"/{name}") for name in CONFIRMATION),
        *(({name: 1}, f"/{name}") for name in CONFIRMATION),
        ({"token": "0" * 32}, "/token"),
        ({"token": "0" * 32 + "." + "A" * 44}, "/token"),
        ({"token": "mails#" + "0" * 26 + "." + "A" * 43}, "/token"),
        ({"password": "x" * (MIN_PASSWORD_LENGTH - 1)}, "/password"),
        ({"password": " " * 20}, "/password"),
        ({"password": "x" * 257}, "/password"),
        ({"password": "correct horse\u200bbattery"}, "/password"),
        # Eleven characters when composed.
        ({"password": "a\u0308" + "x" * (MIN_PASSWORD_LENGTH - 2)}, "/password"),
        ({"email": "ada@example.com"}, "/email"),
    ],
)
def test_an_invalid_confirmation_is_refused_with_a_pointer_to_the_fault(change, at: str):
    with pytest.raises(Refused) as caught:
        parse_create_customer(request(CONFIRMATION | change))
    assert (status_of(caught.value), pointer(caught.value)) == (400, at)


def test_an_address_is_stored_with_its_domain_in_ascii_and_lower_case():
    assert (
        parse_request_sign_up(request(SIGN_UP | {"email": "Ada@B\u00dcCHER.example"})).email
        == "Ada@xn--bcher-kva.example"
    )


def test_a_password_is_the_same_composed_and_decomposed():
    commands = [
        parse_create_customer(request(CONFIRMATION | {"password": f"{letter}ssword 12345"}))
        for letter in ("p\u00e4", "pa\u0308")
    ]
    assert commands[0] == commands[1]


def test_a_sign_up_under_a_key_has_the_same_id_for_the_same_person():
    def sign_up(key: str | None, **changes: str) -> RequestSignUp:
        return parse_request_sign_up(request(SIGN_UP | changes, **{"idempotency_key": key} if key else {}))

    first = sign_up("k").sign_up_id
    assert sign_up("k").sign_up_id == sign_up("k", email="ADA@example.com").sign_up_id == first
    others = [sign_up("l"), sign_up("k", name="A"), sign_up("k", email="a@example.com"), sign_up(None), sign_up(None)]
    assert len({first, *(other.sign_up_id for other in others)}) == 6


@pytest.mark.parametrize(
    ("parse", "body", "missing"),
    [
        *((parse_request_sign_up, SIGN_UP, name) for name in SIGN_UP),
        *((parse_create_customer, CONFIRMATION, name) for name in CONFIRMATION),
    ],
)
def test_a_missing_member_is_refused(parse, body: dict[str, str], missing: str):
    with pytest.raises(Refused) as caught:
        parse(request({name: value for name, value in body.items() if name != missing}))
    assert pointer(caught.value) == f"/{missing}"


def test_the_storefront_asks_for_a_password_of_the_same_length():
    form = (ROOT / "storefront/templates/sign_up_confirm.html").read_text()
    assert f'minlength="{MIN_PASSWORD_LENGTH}"' in form


@pytest.mark.parametrize(
    ("if_match", "versions"),
    [
        ('"3"', {3}),
        ('"1", "2"', {1, 2}),
        ('W/"3"', set()),
        ("3", set()),
        ('"x"', set()),
        ('""', set()),
        ('"9999999999999999"', set()),
        ("", set()),
        ("*", None),
        (" * ", None),
    ],
)
def test_if_match_names_versions(if_match: str, versions: set[int] | None):
    assert parse_update_profile(request({}, if_match=if_match)).versions == versions


def test_without_if_match_any_version_is_changed():
    assert parse_update_profile(request({})).versions is None
