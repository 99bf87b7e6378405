"""The four functions against a table (moto) and a platform that answers what the test says."""

import importlib
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from basket import clients, domain, repository
from setpieces import external
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.unit.interleave import meanwhile
from tests.unit.lost_answers import repeat
from tests.unit.tables import mocked_table

BASKET = "basket-of-a-unit-test-1"
CONTEXT = SimpleNamespace(
    function_name="f",
    memory_limit_in_mb=128,
    invoked_function_arn="arn:aws:lambda:eu-central-1:000000000000:function:f",
    aws_request_id="r",
    get_remaining_time_in_millis=lambda: 5000,
)
PRODUCT = {
    "sku": "SP-1",
    "name": "Tower",
    "unit_price": 1999,
    "currency": "EUR",
    "available": True,
    "status": "active",
    "stock": 50,
    "max_per_customer": 10,
    "price_version": 1,
    "version": 4,
}


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch):
    """The commerce platform: its answer, or the failure it raises; and how often it was asked."""
    state = SimpleNamespace(answer=Answer(200, PRODUCT), calls=0)

    def call(system: str, method: str, *path: str, timeout: float) -> Answer:
        assert (system, method, path[0]) == ("commerce", "GET", "products")
        assert 0 < timeout <= clients.CALL_SECONDS
        state.calls += 1
        if isinstance(state.answer, Exception):
            raise state.answer
        return state.answer

    monkeypatch.setattr(external, "call", call)
    return state


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TABLE_NAME", "baskets")
    # So that tests can name versions.
    monkeypatch.setattr(domain, "first_version", lambda now: 1)
    with mocked_table(monkeypatch, "baskets", "basket_id") as client:
        yield client


def send(function: str, body: Any = None, sku: str | None = None, basket: str = BASKET, **headers: str):
    """(status, body, headers) of a function's answer."""
    parameters = {"basket_id": basket} | ({"sku": sku} if sku else {})
    answer = importlib.import_module(f"basket.handlers.{function}").handler(
        {
            "httpMethod": "ANY",
            "path": f"/v1/baskets/{basket}/items",
            "pathParameters": parameters,
            "headers": {name.replace("_", "-"): value for name, value in headers.items()},
            "requestContext": {"requestId": "r1"},
            "body": body if isinstance(body, str | None) else json.dumps(body),
        },
        CONTEXT,
    )
    return answer["statusCode"], json.loads(answer["body"] or "null"), answer["headers"]


def stored(table, basket: str = BASKET):
    return table.get_item(TableName="baskets", Key={"basket_id": {"S": basket}}).get("Item")


ONE = {"sku": "SP-1", "quantity": 1}


def test_a_basket_from_first_to_last(table, platform):
    status, body, headers = send("add_item", {"sku": "SP-1", "quantity": 2})
    assert status == 201
    assert body == {
        "basket_id": BASKET,
        "version": 1,
        "item": {"sku": "SP-1", "quantity": 2, "unit_price": 1999},
        "totals": {"lines": 1, "quantity": 2, "amount": 3998, "currency": "EUR"},
    }
    assert headers["ETag"] == '"1"'
    assert headers["Location"] == f"/v1/baskets/{BASKET}/items/SP-1"
    assert send("add_item", ONE)[0] == 200
    assert send("show_basket")[1]["items"] == [{"sku": "SP-1", "quantity": 3, "unit_price": 1999}]
    status, body, headers = send("change_item", {"quantity": 7}, "SP-1", if_match='"2"')
    assert (status, body["item"]["quantity"], headers["ETag"]) == (200, 7, '"3"')
    status, body, headers = send("remove_item", sku="SP-1", if_match='"1", "3"')
    assert (status, body, headers["ETag"]) == (204, None, '"4"')
    assert send("show_basket")[1]["items"] == []


def test_what_a_newer_version_has_stored_is_kept_and_not_shown(table, platform):
    """A canary of 10 % stores it, and the older version beside it changes the same basket."""
    newer = {"S": "kept"}
    send("add_item", ONE, idempotency_key="k-1")
    item = stored(table)
    item["newer"] = item["lines"]["M"]["SP-1"]["M"]["newer"] = item["answers"]["L"][0]["M"]["newer"] = newer
    table.put_item(TableName="baskets", Item=item)
    send("add_item", ONE, idempotency_key="k-2")
    send("change_item", {"quantity": 3}, "SP-1")
    _, shown, _ = send("show_basket")
    item = stored(table)
    assert [item["newer"], item["lines"]["M"]["SP-1"]["M"]["newer"], item["answers"]["L"][0]["M"]["newer"]] == [
        newer
    ] * 3
    assert item["lines"]["M"]["SP-1"]["M"]["quantity"] == {"N": "3"}
    assert "newer" not in json.dumps(shown)


WRONG_QUANTITIES: tuple[Any, ...] = (0, -1, 1.0, 1.5, True, "1", None, [], {}, 1e400, -(10**40))
WRONG_SKUS: tuple[Any, ...] = (
    *("", " SP-1", "sp-1", "SP_1", "SP-1\n", "ÄB", "A" * 33, "../SP-1", "$input"),
    *(1, None, [], {}, True),
)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        '"x"',
        "{",
        '{"sku": "SP-1", "quantity": NaN}',
        '{"sku": "SP-1", "quantity": 1, "quantity": 2}',
        {},
        {"sku": "SP-1"},
        {"quantity": 1},
        ONE | {"extra": 1},
        *[ONE | {"quantity": quantity} for quantity in WRONG_QUANTITIES],
        *[ONE | {"sku": sku} for sku in WRONG_SKUS],
    ],
    ids=str,
)
def test_a_malformed_addition_is_a_400_and_asks_nobody(table, platform, body):
    status, problem, headers = send("add_item", body)
    assert status == 400, problem
    assert headers["Content-Type"] == "application/problem+json"
    assert stored(table) is None
    assert platform.calls == 0


@pytest.mark.parametrize("function", ["add_item", "change_item"])
def test_another_media_type_is_a_415(table, platform, function: str):
    assert send(function, ONE, "SP-1", content_type="text/plain")[0] == 415


@pytest.mark.parametrize(
    "basket", ["", "mine", "x" * 21, "x" * 65, *(BASKET + end for end in (" b", "/b", "%2e", "ä", "*", "\n"))]
)
@pytest.mark.parametrize("function", ["add_item", "show_basket", "change_item", "remove_item"])
def test_what_cannot_be_a_basket_is_a_400(table, platform, function: str, basket: str):
    body = {"add_item": ONE, "change_item": {"quantity": 1}}.get(function)
    assert send(function, body, "SP-1", basket=basket)[0] == 400


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (Answer(404, {}), 404, "UNKNOWN_SKU"),
        (Answer(410, {}), 404, "UNKNOWN_SKU"),
        (Answer(400, {}), 503, "COMMERCE_UNAVAILABLE"),
        (Answer(200, None), 503, "COMMERCE_UNAVAILABLE"),
        (Answer(200, PRODUCT | {"unit_price": "1"}), 503, "COMMERCE_UNAVAILABLE"),
        (Answer(200, PRODUCT | {"stock": True}), 503, "COMMERCE_UNAVAILABLE"),
        (ExternalUnavailable("commerce", "slow", timed_out=True), 503, "COMMERCE_UNAVAILABLE"),
        (ExternalUnavailable("commerce", "busy", retry_after=7), 503, "COMMERCE_UNAVAILABLE"),
        (Answer(200, PRODUCT | {"available": False}), 409, "NOT_PURCHASABLE"),
        (Answer(200, PRODUCT | {"status": "retired"}), 409, "NOT_PURCHASABLE"),
        (Answer(200, PRODUCT | {"stock": 2}), 409, "INSUFFICIENT_STOCK"),
        (Answer(200, PRODUCT | {"max_per_customer": 2}), 422, "QUANTITY_LIMIT"),
    ],
)
def test_what_the_platform_does_not_confirm_is_not_done(table, platform, answer, status: int, code: str):
    send("add_item", ONE)
    before = stored(table)
    platform.answer = answer
    for function, body in (("add_item", {"sku": "SP-1", "quantity": 3}), ("change_item", {"quantity": 3})):
        got, problem, headers = send(function, body, "SP-1")
        assert (got, problem["code"]) == (status, code)
        assert ("Retry-After" in headers) == (status == 503)
    assert stored(table) == before


def test_a_repeated_key_gets_the_same_answer_even_while_the_platform_is_down(table, platform):
    first = send("add_item", ONE, idempotency_key="k1")
    platform.answer = ExternalUnavailable("commerce", "down")
    assert send("add_item", ONE, idempotency_key="k1") == first
    status, problem, _ = send("add_item", {"sku": "SP-1", "quantity": 2}, idempotency_key="k1")
    assert (status, problem["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert send("show_basket")[1]["totals"]["quantity"] == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "k" * 256, "a\n"])
def test_a_malformed_key_is_a_400(table, platform, key: str):
    assert send("add_item", ONE, idempotency_key=key)[0] == 400


@pytest.mark.parametrize("tag", ['"2"', "1", 'W/"1"', "x", "", '"1', '"99999999999999999999"'])
@pytest.mark.parametrize(
    ("function", "body"), [("add_item", ONE), ("change_item", {"quantity": 2}), ("remove_item", None)]
)
def test_another_state_than_if_match_says_is_a_412(table, platform, function: str, body, tag: str):
    send("add_item", ONE)
    before = stored(table)
    assert send(function, body, "SP-1", if_match=tag)[0] == 412
    assert stored(table) == before


@pytest.mark.parametrize(("function", "body"), [("change_item", {"quantity": 2}), ("remove_item", None)])
def test_what_is_not_there_is_a_404(table, platform, function: str, body):
    assert send(function, body, "SP-1")[1]["code"] == "BASKET_NOT_FOUND"
    send("add_item", ONE)
    assert send(function, body, "SP-2")[1]["code"] == "LINE_NOT_FOUND"
    assert send(function, body, "sp-1")[1]["code"] == "LINE_NOT_FOUND"
    table.update_item(
        TableName="baskets",
        Key={"basket_id": {"S": BASKET}},
        UpdateExpression="SET expires_at = :past",
        ExpressionAttributeValues={":past": {"N": "1"}},
    )
    assert send(function, body, "SP-1")[1]["code"] == "BASKET_NOT_FOUND"
    assert send("show_basket")[0] == 404
    status, body, _ = send("add_item", ONE)
    assert (status, body["version"], body["totals"]["quantity"]) == (201, 2, 1)


class Failing:
    """A DynamoDB client whose n-th call fails, before or after it took effect."""

    def __init__(self, inner, index: int, after: bool) -> None:
        self.inner, self.index, self.after, self.calls = inner, index, after, 0

    def __getattr__(self, name: str):
        def call(**arguments):
            self.calls += 1
            if self.calls - 1 != self.index:
                return getattr(self.inner, name)(**arguments)
            if self.after:
                getattr(self.inner, name)(**arguments)
            raise ClientError({"Error": {"Code": "InternalServerError"}}, name)

        return call


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize(
    ("function", "body"),
    [("add_item", {"sku": "SP-1", "quantity": 2}), ("change_item", {"quantity": 5}), ("remove_item", None)],
)
def test_no_partial_failure(table, platform, monkeypatch, function: str, body, index: int, after: bool):
    """Whichever AWS call fails, the basket is as before or as asked; the client's repeat then gives exactly what was asked."""
    send("add_item", ONE)
    before = send("show_basket")[1]
    failing = Failing(table, index, after)
    with monkeypatch.context() as patched:
        patched.setattr(repository, "client", lambda _: failing)
        status, _, _ = send(function, body, "SP-1", idempotency_key="k")
    seen = send("show_basket")[1]
    if index < failing.calls:
        assert status == 500
        assert seen == before or seen["version"] == 2
    repeated = send(function, body, "SP-1", idempotency_key="k")[0]
    assert repeated in (200, 201) if function != "remove_item" else repeated in (204, 404)
    quantities = [item["quantity"] for item in send("show_basket")[1]["items"]]
    assert quantities == {"add_item": [3], "change_item": [5], "remove_item": []}[function]


def test_a_change_by_others_in_between_is_taken_into_account(table, platform, monkeypatch):
    send("add_item", ONE)
    read = repository.read

    def read_then_others_add(basket_id: str, now: int):
        basket = read(basket_id, now)
        monkeypatch.undo()
        monkeypatch.setenv("TABLE_NAME", "baskets")
        monkeypatch.setattr(external, "call", lambda *_, **__: Answer(200, PRODUCT))
        send("add_item", {"sku": "SP-1", "quantity": 4})
        return basket

    monkeypatch.setattr(importlib.import_module("basket.handlers.add_item"), "read", read_then_others_add)
    status, body, _ = send("add_item", {"sku": "SP-1", "quantity": 2})
    assert (status, body["version"], body["item"]["quantity"]) == (200, 3, 7)


@pytest.mark.parametrize("headers", [{}, {"idempotency_key": "k"}, {"if_match": '"1"'}], ids=str)
def test_an_addition_whose_answer_was_lost_is_done_once(table, platform, monkeypatch, headers: dict[str, str]):
    send("add_item", ONE)
    repeat(monkeypatch, table, "put_item")
    status, body, answered = send("add_item", {"sku": "SP-1", "quantity": 2}, **headers)
    assert (status, body["item"]["quantity"], answered["ETag"]) == (200, 3, '"2"')
    assert send("show_basket")[1]["totals"]["quantity"] == 3


@pytest.mark.parametrize("headers", [{}, {"if_match": '"1"'}], ids=str)
@pytest.mark.parametrize(
    ("function", "sent", "status", "left"), [("change_item", {"quantity": 5}, 200, [5]), ("remove_item", None, 204, [])]
)
def test_a_change_whose_answer_was_lost_is_answered_as_done_once(
    table, platform, monkeypatch, headers: dict[str, str], function: str, sent: Any, status: int, left: list[int]
):
    send("add_item", ONE)
    repeat(monkeypatch, table, "update_item")
    answered, _, tags = send(function, sent, "SP-1", **headers)
    assert (answered, tags["ETag"]) == (status, '"2"')
    assert [item["quantity"] for item in send("show_basket")[1]["items"]] == left


def repeat_after(monkeypatch: pytest.MonkeyPatch, table, operation: str, other) -> None:
    """The answer of ``operation`` is lost, and ``other()`` runs before the SDK repeats the call."""
    repeat(monkeypatch, table, operation)
    wire_name = "".join(word.capitalize() for word in operation.split("_"))
    meanwhile(monkeypatch, wire_name, other, after=True)


def test_an_addition_without_a_key_is_done_once_though_others_change_the_basket_before_it_is_repeated(
    table, platform, monkeypatch
):
    send("add_item", ONE)
    repeat_after(monkeypatch, table, "put_item", lambda: send("change_item", {"quantity": 7}, "SP-1"))
    status, body, _ = send("add_item", {"sku": "SP-1", "quantity": 2})
    assert (status, body["item"]["quantity"], body["version"]) == (200, 3, 2)
    assert send("show_basket")[1]["totals"]["quantity"] == 7


def test_a_removal_that_is_repeated_leaves_what_was_added_since(table, platform, monkeypatch):
    send("add_item", {"sku": "SP-1", "quantity": 3})
    repeat_after(monkeypatch, table, "update_item", lambda: send("add_item", ONE))
    assert send("remove_item", sku="SP-1")[0] == 204
    assert send("show_basket")[1]["totals"]["quantity"] == 1


def test_a_basket_that_a_newer_version_stored_is_read(table, platform):
    send("add_item", ONE)
    table.update_item(
        TableName="baskets",
        Key={"basket_id": {"S": BASKET}},
        UpdateExpression="SET later = :new, #lines.#sku.later = :new, answers[0].later = :new",
        ExpressionAttributeNames={"#lines": "lines", "#sku": "SP-1"},
        ExpressionAttributeValues={":new": {"S": "x"}},
    )
    assert send("show_basket")[1]["totals"]["quantity"] == 1
    assert send("add_item", ONE)[0] == 200
    assert send("change_item", {"quantity": 5}, "SP-1")[0] == 200
    assert send("remove_item", sku="SP-1")[0] == 204


FIRST_VERSION = domain.first_version


def test_no_entity_tag_means_two_states_though_dynamodb_has_removed_the_basket(table, platform, monkeypatch):
    monkeypatch.setattr(domain, "first_version", FIRST_VERSION)
    began = int(time.time())
    _, _, headers = send("add_item", {"sku": "SP-1", "quantity": 7})
    send("add_item", ONE)
    monkeypatch.setattr(time, "time", lambda: began + domain.LIFETIME_SECONDS + 1)
    table.delete_item(TableName="baskets", Key={"basket_id": {"S": BASKET}})
    assert send("add_item", ONE)[0] == 201
    assert send("change_item", {"quantity": 2}, "SP-1", if_match=headers["ETag"])[0] == 412
    _, body, headers = send("add_item", ONE)
    assert send("change_item", {"quantity": 5}, "SP-1", if_match=headers["ETag"])[1]["version"] == body["version"] + 1
