"""Confirmations against the simulators' own rules: a failure at any call, before or after its effect, is mended by a repeat."""

import json

import pytest

from customers.clients.platforms import Platforms
from customers.repository import Pending
from customers.requests import CreateCustomer
from customers.workflow.sign_up import confirm
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.events import Event, check
from setpieces.rest_api import status_of
from tests.faults import Crash, Fault, Faults
from tests.unit.customers.partners import Partners

ADA = Pending("ada@example.com", "Ada")
TOKEN, PASSWORD = "0" * 32 + "." + "A" * 43, "correct horse battery"
FRESH = [
    "POST sequences",
    "POST identity/identities",
    "PUT commerce/customers",
    "Publish",
    "PUT rewards/members",
]
REPEATED = [
    "POST sequences",
    "POST identity/identities",
    "POST identity/authentications",
    "PUT commerce/customers",
    "GET commerce/customers",
    "Publish",
    "PUT rewards/members",
]
# How a call fails: without an effect, or after it; with an error that the function handles, or a crash.
FAULTS = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.UNAVAILABLE, Fault.UNANSWERED)


@pytest.fixture(autouse=True)
def _sign_up(partners: Partners) -> None:
    partners.sign_up = ADA


def run(password: str = PASSWORD) -> str:
    customer_id, email = confirm(CreateCustomer(TOKEN, password), Platforms(lambda: 10.0))
    assert email.casefold() == ADA.email
    return customer_id


def failure_of_another_run() -> BaseException | None:
    try:
        run()
    except (Crash, ExternalUnavailable, Refused, RetryLater) as error:
        return error
    return None


def is_whole(partners: Partners, customer_id: str) -> None:
    """One identity, one customer, one member, all of the same person, and others know."""
    (identity,) = partners.documents("identities")
    (customer,) = partners.documents("customers")
    (member,) = partners.documents("members")
    assert identity["customer_id"] == customer["customer_id"] == member["customer_id"] == customer_id
    assert identity["identity_id"] == customer["identity_id"] == member["identity_id"]
    assert customer["name"] == "Ada"
    assert partners.messages()
    assert (
        len({json.loads(message["Message"])["event"]["meta_data"]["event_id"] for message in partners.messages()}) == 1
    )


def test_a_new_customer_takes_five_calls(partners: Partners, faults: Faults):
    customer_id = run()
    assert faults.calls == FRESH
    is_whole(partners, customer_id)


def test_the_topic_gets_an_event_of_its_schema_and_attributes_to_filter_by(partners: Partners):
    customer_id = run()
    (message,) = partners.messages()
    event = json.loads(message["Message"])["event"]
    meta_data = event["meta_data"]
    check(
        Event((meta_data["type"], meta_data["subtype"], meta_data["status"]), event["data"], meta_data["event_id"], "c")
    )
    assert event["data"] == {"customer_id": customer_id}
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes == {"type": "CUSTOMER", "subtype": "PROFILE", "status": "CREATED", "origin": "shop"}


def test_a_repeat_is_the_same_customer_with_all_they_have(partners: Partners, faults: Faults):
    customer_id = run()
    member = partners.documents("members")[0] | {"points": 900, "tier": "gold"}
    partners.put(f"rewards/members/{customer_id}", member)
    before = len(faults.calls)
    assert run() == customer_id
    assert faults.calls[before:] == REPEATED
    is_whole(partners, customer_id)
    assert partners.documents("members") == [member]


def test_a_slow_first_request_does_not_take_the_points_that_were_earned_meanwhile(partners: Partners, faults: Faults):
    def repeat_and_earn() -> None:
        customer_id = run()
        partners.put(f"rewards/members/{customer_id}", partners.documents("members")[0] | {"points": 500})

    faults.meanwhile("PUT rewards/members", repeat_and_earn)
    customer_id = run()
    is_whole(partners, customer_id)
    assert partners.documents("members")[0]["points"] == 500


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(len(FRESH)))
def test_a_repeat_finishes_a_first_sign_up_that_failed_at_any_call(
    partners: Partners, faults: Faults, call: int, fault: Fault
):
    faults.schedule({call: fault})
    with pytest.raises((Crash, ExternalUnavailable, Refused, RetryLater)):
        run()
    is_whole(partners, run())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("first", range(len(FRESH)))
@pytest.mark.parametrize("second", range(len(REPEATED)))
def test_the_next_repeat_finishes_a_repeat_that_failed_too(
    partners: Partners, faults: Faults, first: int, second: int, fault: Fault
):
    faults.schedule({first: fault})
    with pytest.raises((Crash, ExternalUnavailable, Refused, RetryLater)):
        run()
    faults.schedule({second: fault})
    # Another problem than 503 would tell the caller to give up.
    assert getattr(failure_of_another_run(), "status", 503) == 503
    faults.schedule({})
    is_whole(partners, run())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(len(FRESH)))
def test_the_authorizer_refuses_a_customer_who_was_not_announced(
    partners: Partners, faults: Faults, call: int, fault: Fault
):
    """A person with an account need not repeat the sign-up: until it is announced, one platform does not know the customer."""
    faults.schedule({call: fault})
    assert failure_of_another_run()
    can_be_used = partners.documents("customers") and partners.documents("members")
    assert partners.messages() or not can_be_used


def test_without_a_valid_link_no_customer_is_made(partners: Partners, faults: Faults):
    partners.sign_up = None
    with pytest.raises(Refused) as caught:
        run()
    assert (status_of(caught.value), caught.value.code) == (404, "CONFIRMATION_NOT_FOUND")
    assert not faults.calls


def test_an_address_that_has_an_account_is_taken(partners: Partners):
    """Told only to the owner of the mailbox, who has the link."""
    run()
    before = dict(partners.memory.documents_by_key)
    partners.sign_up = Pending("ADA@example.com", "Eve")
    with pytest.raises(Refused) as caught:
        run("another password")
    assert (status_of(caught.value), caught.value.code) == (409, "EMAIL_TAKEN")
    assert partners.memory.documents_by_key == before
    assert len(partners.messages()) == 1


def test_an_identity_that_is_no_customer_is_not_made_one(partners: Partners):
    partners.perform("POST", "identity/identities", {"email": ADA.email, "password": PASSWORD})
    with pytest.raises(Refused) as caught:
        run()
    assert caught.value.code == "EMAIL_TAKEN"
    assert not partners.documents("customers")


def test_who_was_deleted_does_not_come_back_by_signing_up(partners: Partners):
    customer_id = run()
    partners.perform("DELETE", f"commerce/customers/{customer_id}")
    with pytest.raises(Refused) as caught:
        run()
    assert caught.value.code == "EMAIL_TAKEN"
    assert len(partners.messages()) == 1


def test_a_number_that_somebody_has_already_is_not_taken_over(partners: Partners):
    """As after a restore of the sequences' table."""
    run()
    partners.numbers = 0
    partners.sign_up = Pending("eve@example.com", "Eve")
    with pytest.raises(Refused) as caught:
        run("her password")
    assert caught.value.code == "EMAIL_TAKEN"
    (customer,) = partners.documents("customers")
    assert customer["email"] == ADA.email


def test_a_password_is_in_no_text_of_the_request():
    command = CreateCustomer(TOKEN, PASSWORD)
    assert PASSWORD not in repr(command)
    assert PASSWORD not in str(command)
