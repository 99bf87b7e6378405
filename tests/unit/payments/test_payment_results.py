"""The result of an Order submit event: a charge, an event on the bus, a dead letter."""

import json

import pytest
from jsonschema import Draft202012Validator

from model.settings import ROOT
from payments import workflow
from payments.clients import orders, provider
from setpieces.external import Answer
from tests.unit.payments.authorizations import ORDER_NUMBER, ORDER_SUBMIT, Authorizations

OTHER_AMOUNT = {"charge_id": "ch-9", "status": "authorized", "amount": 1, "currency": "EUR"}


def test_an_order_is_charged_and_the_result_published(authorizations: Authorizations):
    assert authorizations.deliver()
    assert authorizations.faults.calls == ["load order", "find charge", "create charge", "PutEvents"]
    (event,) = authorizations.published
    assert event["data"] == {
        "order_number": ORDER_NUMBER,
        "customer_id": "C100000001",
        "charge_id": "ch-1",
        "amount": 7998,
        "currency": "EUR",
    }
    cause = ORDER_SUBMIT["detail"]["event"]["meta_data"]
    assert event["meta_data"]["correlation_id"] == cause["correlation_id"]
    assert event["meta_data"]["causation_id"] == cause["event_id"]


@pytest.mark.parametrize(("token", "reason"), [("tok_declined", "CARD_DECLINED"), ("tok_forged", "UNKNOWN_TOKEN")])
def test_a_declined_card_or_unknown_token_is_a_declined_payment(
    authorizations: Authorizations, token: str, reason: str
):
    authorizations.order["payment_token"] = token
    assert authorizations.deliver()
    assert authorizations.statuses == ["DECLINED"]
    assert authorizations.published[0]["data"]["reason_code"] == reason


@pytest.mark.parametrize("token", ["tok_ok", "tok_declined", "tok_forged"])
def test_a_repeated_delivery_publishes_the_same_result_with_the_same_event_id(
    authorizations: Authorizations, token: str
):
    authorizations.order["payment_token"] = token
    assert authorizations.deliver()
    assert authorizations.deliver()
    first, second = (event["meta_data"]["event_id"] for event in authorizations.published)
    assert first == second
    assert authorizations.provider.created <= 1


@pytest.mark.parametrize("status", ["Validation failed", "Card declined", "Payment authorized", "Sent to fulfillment"])
def test_an_order_that_does_not_await_payment_is_not_charged(authorizations: Authorizations, status: str):
    authorizations.order["backend_status"] = status
    assert authorizations.deliver()
    assert (authorizations.provider.created, authorizations.published) == (0, [])


def test_an_order_that_has_lost_a_voucher_is_not_charged_before_an_operator_redrives_it(authorizations: Authorizations):
    authorizations.order["rejected_reason"] = "VOUCHER_UNAVAILABLE"
    assert authorizations.deliver()
    assert (authorizations.provider.created, authorizations.published) == (0, [])
    del authorizations.order["rejected_reason"]
    assert authorizations.deliver()
    assert (authorizations.provider.created, authorizations.statuses) == (1, ["AUTHORIZED"])


def test_a_free_order_is_authorized_without_the_provider(authorizations: Authorizations):
    authorizations.order |= {"amount": 0, "payment_token": ""}
    assert authorizations.deliver()
    assert authorizations.deliver()
    assert authorizations.faults.calls == ["load order", "PutEvents"] * 2
    assert len({event["meta_data"]["event_id"] for event in authorizations.published}) == 1
    assert [event["data"] for event in authorizations.published] == 2 * [
        {
            "order_number": ORDER_NUMBER,
            "customer_id": "C100000001",
            "charge_id": f"free-{ORDER_NUMBER}",
            "amount": 0,
            "currency": "EUR",
        }
    ]


@pytest.mark.parametrize("status", [404, 410])
def test_an_unknown_order_is_a_dead_letter(authorizations: Authorizations, status: int):
    authorizations.order_response = Answer(status, {})
    assert authorizations.deliver()
    assert authorizations.dead_letter_reasons() == ["UNKNOWN_ORDER"]
    assert authorizations.provider.created == 0


@pytest.mark.parametrize(
    ("charge", "refusal", "reason"),
    [
        (OTHER_AMOUNT, None, "CHARGE_DIFFERS"),
        (None, Answer(400, {"code": "INVALID_REQUEST"}), "CHARGE_REFUSED"),
    ],
)
def test_a_charge_that_no_retry_can_resolve_is_a_dead_letter_and_a_rejected_payment(
    authorizations: Authorizations, charge: dict[str, object] | None, refusal: Answer | None, reason: str
):
    if charge:
        authorizations.provider.charges[ORDER_NUMBER] = charge
    authorizations.provider.refusal = refusal
    for _ in range(2):
        assert authorizations.deliver()
    assert authorizations.dead_letter_reasons() == [reason] * 2
    first, second = authorizations.published
    assert (first["meta_data"]["status"], first["data"]["reason_code"]) == ("REJECTED", reason)
    assert first["meta_data"]["event_id"] == second["meta_data"]["event_id"]


def test_an_authorized_charge_of_a_failed_order_is_a_dead_letter(authorizations: Authorizations):
    assert authorizations.deliver()
    authorizations.order["backend_status"] = "Validation failed"
    assert authorizations.deliver()
    assert authorizations.dead_letter_reasons() == ["CHARGED_AFTER_FAILURE"]
    assert authorizations.statuses == ["AUTHORIZED"]


def test_the_payment_token_is_neither_published_nor_logged(
    authorizations: Authorizations, capsys: pytest.CaptureFixture[str]
):
    assert authorizations.deliver()
    assert "tok_ok" not in json.dumps(authorizations.published)
    assert "tok_ok" not in capsys.readouterr().out


def test_the_calls_of_a_delivery_fit_into_their_time():
    first_attempt = provider.FIND_SECONDS + provider.CHARGE_SECONDS
    assert orders.LOAD_SECONDS + first_attempt + provider.FIND_SECONDS <= workflow.CALLS_SECONDS


def test_the_sample_event_is_an_order_submit():
    schema = json.loads((ROOT / "schemas" / "events" / "checkout.order.submit.json").read_text())
    Draft202012Validator(schema).validate(ORDER_SUBMIT["detail"])
