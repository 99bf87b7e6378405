"""Confirmations of sign-ups: a repeat completes one that failed at any call, before or after its effect."""

import json

import pytest

from customers.clients.platforms import Platforms
from customers.domain.sign_ups import SignUp
from customers.requests import CreateCustomer
from customers.workflow.sign_up import create_customer
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.events import Event, validate_event
from setpieces.rest_api import status_of
from tests.faults import Crash, Fault, Faults
from tests.unit.customers.partners import Partners

ADA = SignUp("ada@example.com", "Ada")
TOKEN, PASSWORD = "0" * 32 + "." + "A" * 43, "correct horse battery"
# In order, as ``faults.calls`` names them. The write that uses the link is replaced by ``Partners.sign_up``, so it is none.
FIRST_CALLS = [
    "POST sequences",
    "POST identity/identities",
    "PUT commerce/customers",
    "Publish",
    "PUT rewards/members",
]
REPEATED_CALLS = [
    "POST sequences",
    "POST identity/identities",
    "POST identity/authentications",
    "PUT commerce/customers",
    "GET commerce/customers",
    "Publish",
    "PUT rewards/members",
]
# Before or after the effect of a call, with an error that the function handles or a crash.
FAULTS = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.UNAVAILABLE, Fault.UNANSWERED)


@pytest.fixture(autouse=True)
def _sign_up(partners: Partners) -> None:
    partners.sign_up = ADA


def confirm(password: str = PASSWORD) -> str:
    """Confirm the sign-up of ``partners``; returns the customer id."""
    customer_id, email = create_customer(CreateCustomer(TOKEN, password), Platforms(lambda: 10.0))
    assert email.casefold() == ADA.email
    return customer_id


def failure_of_confirmation() -> BaseException | None:
    """What a confirmation raises, None if it succeeds."""
    try:
        confirm()
    except (Crash, ExternalUnavailable, Refused, RetryLater) as error:
        return error
    return None


def check_complete(partners: Partners, customer_id: str) -> None:
    """One identity, one customer, one member, all of the same person; one event, published once or several times."""
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


def test_a_first_confirmation_makes_five_calls(partners: Partners, faults: Faults):
    customer_id = confirm()
    assert faults.calls == FIRST_CALLS
    check_complete(partners, customer_id)


def test_the_message_on_the_topic_has_a_valid_event_and_attributes_for_filters(partners: Partners):
    customer_id = confirm()
    (message,) = partners.messages()
    event = json.loads(message["Message"])["event"]
    meta_data = event["meta_data"]
    validate_event(
        Event((meta_data["type"], meta_data["subtype"], meta_data["status"]), event["data"], meta_data["event_id"], "c")
    )
    assert event["data"] == {"customer_id": customer_id}
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes == {"type": "CUSTOMER", "subtype": "PROFILE", "status": "CREATED", "origin": "shop"}


def test_a_repeat_returns_the_same_customer_unchanged(partners: Partners, faults: Faults):
    customer_id = confirm()
    member = partners.documents("members")[0] | {"points": 900, "tier": "gold"}
    partners.put(f"rewards/members/{customer_id}", member)
    before = len(faults.calls)
    assert confirm() == customer_id
    assert faults.calls[before:] == REPEATED_CALLS
    check_complete(partners, customer_id)
    assert partners.documents("members") == [member]


def test_a_slow_first_request_keeps_points_that_were_earned_meanwhile(partners: Partners, faults: Faults):
    def repeat_and_earn() -> None:
        customer_id = confirm()
        partners.put(f"rewards/members/{customer_id}", partners.documents("members")[0] | {"points": 500})

    faults.meanwhile("PUT rewards/members", repeat_and_earn)
    customer_id = confirm()
    check_complete(partners, customer_id)
    assert partners.documents("members")[0]["points"] == 500


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(len(FIRST_CALLS)))
def test_a_repeat_completes_a_confirmation_that_failed_at_any_call(
    partners: Partners, faults: Faults, call: int, fault: Fault
):
    faults.schedule({call: fault})
    with pytest.raises((Crash, ExternalUnavailable, Refused, RetryLater)):
        confirm()
    check_complete(partners, confirm())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("first", range(len(FIRST_CALLS)))
@pytest.mark.parametrize("second", range(len(REPEATED_CALLS)))
def test_a_second_repeat_completes_a_repeat_that_failed_too(
    partners: Partners, faults: Faults, first: int, second: int, fault: Fault
):
    faults.schedule({first: fault})
    with pytest.raises((Crash, ExternalUnavailable, Refused, RetryLater)):
        confirm()
    faults.schedule({second: fault})
    # A refusal would tell the caller not to repeat the request.
    assert not isinstance(failure_of_confirmation(), Refused)
    faults.schedule({})
    check_complete(partners, confirm())


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(len(FIRST_CALLS)))
def test_both_platforms_know_a_customer_only_after_the_event(
    partners: Partners, faults: Faults, call: int, fault: Fault
):
    """The authorizer refuses a customer whom one platform does not know, so the caller repeats the confirmation."""
    faults.schedule({call: fault})
    assert failure_of_confirmation()
    can_be_used = partners.documents("customers") and partners.documents("members")
    assert partners.messages() or not can_be_used


def test_an_invalid_link_is_a_404_without_any_call(partners: Partners, faults: Faults):
    partners.sign_up = None
    with pytest.raises(Refused) as caught:
        confirm()
    assert (status_of(caught.value), caught.value.code) == (404, "CONFIRMATION_NOT_FOUND")
    assert not faults.calls


def test_the_address_of_an_account_is_a_409(partners: Partners):
    """Only the owner of the mailbox, who has the link, gets this response."""
    confirm()
    before = dict(partners.memory.documents_by_key)
    partners.sign_up = SignUp("ADA@example.com", "Eve")
    with pytest.raises(Refused) as caught:
        confirm("another password")
    assert (status_of(caught.value), caught.value.code) == (409, "EMAIL_TAKEN")
    assert partners.memory.documents_by_key == before
    assert len(partners.messages()) == 1


def test_an_identity_without_a_customer_is_a_409(partners: Partners):
    partners.perform("POST", "identity/identities", {"email": ADA.email, "password": PASSWORD})
    with pytest.raises(Refused) as caught:
        confirm()
    assert caught.value.code == "EMAIL_TAKEN"
    assert not partners.documents("customers")


def test_a_deleted_customer_is_not_restored(partners: Partners):
    customer_id = confirm()
    partners.perform("DELETE", f"commerce/customers/{customer_id}")
    with pytest.raises(Refused) as caught:
        confirm()
    assert caught.value.code == "EMAIL_TAKEN"
    assert len(partners.messages()) == 1


def test_an_id_that_another_customer_has_is_a_409(partners: Partners):
    """The sequence issues an id again, as after a restore of its table."""
    confirm()
    partners.numbers = 0
    partners.sign_up = SignUp("eve@example.com", "Eve")
    with pytest.raises(Refused) as caught:
        confirm("her password")
    assert caught.value.code == "EMAIL_TAKEN"
    (customer,) = partners.documents("customers")
    assert customer["email"] == ADA.email


def test_the_password_is_not_in_the_text_of_a_command():
    command = CreateCustomer(TOKEN, PASSWORD)
    assert PASSWORD not in repr(command)
    assert PASSWORD not in str(command)
