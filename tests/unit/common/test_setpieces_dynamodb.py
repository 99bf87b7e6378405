"""``setpieces.dynamodb`` against moto: what is stored, what a failed condition raises, and which refusals are repeated."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from setpieces import aws, dynamodb
from setpieces.aws import is_unavailable
from setpieces.dynamodb import ConditionFailed, TransactionRefused
from tests.faults import Faults, refused
from tests.service import Cloud

TABLE, KEY = "samples", {"id": "1"}


@pytest.fixture(autouse=True)
def waits(aws_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """An empty table; the seconds that were waited."""
    slept: list[float] = []
    monkeypatch.setattr("setpieces.dynamodb.time.sleep", slept.append)
    aws.client("dynamodb").create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return slept


def stored(key: str = "1") -> dict[str, Any] | None:
    return dynamodb.get(TABLE, {"id": key})


def conflict(operation: str, code: str, *reasons: str) -> ClientError:
    """A refusal with the reason of each item of a transaction."""
    return refused(operation, code, CancellationReasons=[{"Code": reason} for reason in reasons])


# --- one item ---


def test_an_item_is_stored_and_read_as_it_was():
    item = KEY | {"name": "a", "count": 3, "tags": {"x", "y"}, "lines": {"sku-1": {"quantity": 2}}, "seen": [1, True]}
    dynamodb.put_if(TABLE, item | {"absent": None})
    assert stored() == item


def test_there_is_no_item():
    assert stored() is None


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        ({}, {"set": {"status": "NEW"}}, {"status": "NEW"}),
        ({"status": "NEW"}, {"set": {"status": None, "name": "a"}}, {"name": "a"}),
        ({"status": "NEW", "name": "a"}, {"remove": ("status",)}, {"name": "a"}),
        ({"at": 1}, {"set_once": {"at": 2, "first": 2}}, {"at": 1, "first": 2}),
        ({"version": 1}, {"add": {"version": 1, "count": 2}}, {"version": 2, "count": 2}),
        ({"done": {1}}, {"add": {"done": {2}, "failed:REASON": {3}}}, {"done": {1, 2}, "failed:REASON": {3}}),
        ({"done": {1, 2}}, {"delete": {"done": {2}, "none": {1}}}, {"done": {1}}),
        ({"a-b": 1}, {"set": {"a.b": 2, "a_b": 3}}, {"a-b": 1, "a.b": 2, "a_b": 3}),
        ({"a-b": 1}, {"set": {"a-b": 2, "a.b": 3}}, {"a-b": 2, "a.b": 3}),
        (
            {"lines": {"sku-1": {"quantity": 1}, "sku.2": {"quantity": 1}}},
            {"set": {("lines", "sku-1", "quantity"): 3, "quantity": 4}, "remove": (("lines", "sku.2"),)},
            {"lines": {"sku-1": {"quantity": 3}}, "quantity": 4},
        ),
    ],
)
def test_an_update_returns_the_item_afterwards(before, changes, after):
    dynamodb.put_if(TABLE, KEY | before)
    assert dynamodb.update_if(TABLE, KEY, **changes) == KEY | after == stored()


NAMES = ["a", "status", "failed:X", "sku-1", "sku_1", "with.dot", "0", "ä", "name with spaces"]
VALUES = st.integers(-99, 99) | st.text(max_size=3) | st.sets(st.integers(0, 3), min_size=1) | st.booleans()
NUMBERS, SETS = st.integers(-99, 99), st.sets(st.integers(0, 3), min_size=1)


@st.composite
def updates(draw: st.DrawFn, names: list[str]) -> dict[str, Any]:
    """Arguments of ``update_if``: each attribute is changed in one way."""
    changes: dict[str, Any] = {"set": {}, "set_once": {}, "add": {}, "delete": {}, "remove": []}
    values = {"set": VALUES | st.none(), "set_once": VALUES, "add": NUMBERS | SETS, "delete": SETS}
    for name in names:
        how = draw(st.sampled_from([*changes, ""]))
        if how == "remove":
            changes[how].append(name)
        elif how:
            changes[how][name] = draw(values[how])
    return changes


def fits(item: dict[str, Any], changes: dict[str, Any]) -> bool:
    """Whether AWS takes an update: there is one, and what is added or deleted has the type of what is stored."""
    pairs = [*changes["add"].items(), *changes["delete"].items()]
    return any(changes.values()) and all(type(item.get(name, value)) is type(value) for name, value in pairs)


def updated(item: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """What a plain dict becomes by the same changes."""
    after = changes["set_once"] | item | changes["set"]
    for name, more in changes["add"].items():
        after[name] = item.get(name, {*()}) | more if isinstance(more, set) else item.get(name, 0) + more
    for name, members in changes["delete"].items():
        after[name] = item.get(name, {*()}) - members or None
    return {name: value for name, value in after.items() if value is not None and name not in changes["remove"]}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(NAMES), VALUES), st.lists(updates(NAMES), max_size=4))
def test_updates_change_an_item_as_they_change_a_dict(item: dict[str, Any], several: list[dict[str, Any]]):
    item = KEY | item
    dynamodb.put_if(TABLE, item)
    for changes in several:
        if fits(item, changes):
            item = updated(item, changes)
            assert dynamodb.update_if(TABLE, KEY, **changes) == item


# --- conditions ---


@pytest.mark.parametrize(
    ("condition", "values", "holds"),
    [
        ("attribute_not_exists(id)", {}, False),
        ("#status = :status", {":status": "NEW"}, True),
        ("#status IN (:open)", {":open": ["HELD", "NEW"]}, True),
        ("#status IN (:open) OR NOT #status IN (:open)", {":open": ("HELD",)}, True),
        ("version IN (:version)", {":version": 7}, True),
        ("version = :version AND #status = :status", {":version": 8, ":status": "NEW"}, False),
        ("attribute_exists(#lines.#sku)", {"#sku": "sku-1"}, True),
        ("attribute_exists(#lines.#sku)", {"#sku": "sku-2"}, False),
        ("#lines.#sku.quantity > :sku", {"#sku": "sku-1", ":sku": 1}, True),
        ("#sequence = :list", {":list": [1, 2]}, True),
    ],
)
def test_a_write_is_made_if_its_condition_holds(condition, values, holds):
    before = KEY | {"status": "NEW", "version": 7, "lines": {"sku-1": {"quantity": 2}}, "sequence": [1, 2]}
    writes = [
        # Its own placeholders differ from those of the condition.
        lambda: dynamodb.update_if(TABLE, KEY, set={"status": 1, "sku": 2}, condition=condition, values=values),
        lambda: dynamodb.put_if(TABLE, KEY | {"status": 1}, condition, values),
        lambda: dynamodb.delete_if(TABLE, KEY, condition, values),
        lambda: dynamodb.transact([dynamodb.check(TABLE, KEY, condition, values)]),
    ]
    for write in writes:
        dynamodb.put_if(TABLE, before)
        if holds:
            write()
        else:
            with pytest.raises((ConditionFailed, TransactionRefused)) as raised:
                write()
            refusal = raised.value
            failed = refusal.failures[0] if isinstance(refusal, TransactionRefused) else refusal
            assert isinstance(failed, ConditionFailed)
            assert failed.item == before == stored()


def test_a_condition_that_fails_without_an_item_says_so():
    for write in (
        lambda: dynamodb.update_if(TABLE, KEY, set={"a": 1}, condition="attribute_exists(id)"),
        lambda: dynamodb.put_if(TABLE, KEY, "attribute_exists(id)"),
        lambda: dynamodb.delete_if(TABLE, KEY, "attribute_exists(id)"),
    ):
        with pytest.raises(ConditionFailed) as raised:
            write()
        assert raised.value.item is None
    assert stored() is None


def test_the_item_is_not_in_the_message_of_a_failure():
    dynamodb.put_if(TABLE, KEY | {"email": "ada@example.com"})
    with pytest.raises(ConditionFailed) as raised:
        dynamodb.put_if(TABLE, KEY, "attribute_not_exists(id)")
    assert "ada" not in repr(raised.value)


def test_a_write_whose_answer_was_lost_finds_its_own_result(faults: Faults):
    faults.lose_response("PutItem")
    with pytest.raises(ConditionFailed) as raised:
        dynamodb.put_if(TABLE, KEY | {"write_id": "mine"}, "attribute_not_exists(id)")
    assert raised.value.item == stored() == KEY | {"write_id": "mine"}


# --- transactions ---


def test_a_transaction_carries_out_all_writes():
    for key in ("1", "2"):
        dynamodb.put_if(TABLE, {"id": key, "version": 1})
    dynamodb.transact(
        [
            dynamodb.update(
                TABLE, KEY, add={"version": 1}, set={"a": None}, condition="version = :v", values={":v": 1}
            ),
            dynamodb.delete(TABLE, {"id": "2"}, "version = :v", {":v": 1}),
            dynamodb.put(TABLE, {"id": "3"}, "attribute_not_exists(id)"),
            dynamodb.check(TABLE, {"id": "4"}, "attribute_not_exists(id)"),
        ]
    )
    assert (stored("1"), stored("2"), stored("3")) == ({"id": "1", "version": 2}, None, {"id": "3"})


def test_a_refused_transaction_names_the_conditions_that_failed():
    dynamodb.put_if(TABLE, KEY | {"a": 1})
    with pytest.raises(TransactionRefused) as raised:
        dynamodb.transact(
            [
                dynamodb.put(TABLE, {"id": "2"}),
                dynamodb.check(TABLE, KEY, "attribute_not_exists(id)"),
                dynamodb.delete(TABLE, {"id": "3"}, "attribute_exists(id)"),
            ]
        )
    failures = raised.value.failures
    assert [failed and failed.item for failed in failures] == [None, KEY | {"a": 1}, None]
    assert [failed is None for failed in failures] == [True, False, False]
    assert stored("2") is None


# --- conflicts with transactions ---


WRITES = [
    ("PutItem", "TransactionConflictException", (), lambda: dynamodb.put_if(TABLE, KEY)),
    ("UpdateItem", "TransactionConflictException", (), lambda: dynamodb.update_if(TABLE, KEY, set={"a": 1})),
    ("DeleteItem", "TransactionConflictException", (), lambda: dynamodb.delete_if(TABLE, {"id": "2"})),
    (
        "TransactWriteItems",
        "TransactionCanceledException",
        ("None", "TransactionConflict"),
        lambda: dynamodb.transact([dynamodb.put(TABLE, KEY), dynamodb.put(TABLE, {"id": "2"})]),
    ),
]


@pytest.mark.parametrize(("operation", "code", "reasons", "write"), WRITES)
def test_a_write_is_repeated_until_a_conflict_ends(faults: Faults, waits, operation, code, reasons, write):
    faults.fail(operation, conflict(operation, code, *reasons), times=3)
    write()
    assert len(waits) == 3
    assert all(0 <= seconds <= dynamodb.CONFLICT_WAIT_SECONDS * 2**n for n, seconds in enumerate(waits, start=1))


@pytest.mark.parametrize(("operation", "code", "reasons", "write"), WRITES)
def test_a_conflict_that_lasts_is_raised(faults: Faults, waits, operation, code, reasons, write):
    faults.fail(operation, conflict(operation, code, *reasons), times=99)
    with pytest.raises(ClientError) as raised:
        write()
    assert is_unavailable(raised.value)
    assert len(waits) == dynamodb.CONFLICT_ATTEMPTS - 1
    assert stored() is None


def test_a_transaction_can_be_attempted_more_often(faults: Faults, waits):
    error = conflict("TransactWriteItems", "TransactionCanceledException", "TransactionConflict")
    faults.fail("TransactWriteItems", error, times=7)
    dynamodb.transact([dynamodb.put(TABLE, KEY)], attempts=8)
    assert (len(waits), stored()) == (7, KEY)


def test_a_failed_condition_takes_precedence_over_a_conflict(faults: Faults, waits):
    reasons = ("TransactionConflict", "ConditionalCheckFailed")
    faults.fail("TransactWriteItems", conflict("TransactWriteItems", "TransactionCanceledException", *reasons))
    with pytest.raises(TransactionRefused) as raised:
        dynamodb.transact([dynamodb.put(TABLE, KEY), dynamodb.put(TABLE, {"id": "2"})])
    assert [failed is None for failed in raised.value.failures] == [True, False]
    assert waits == []


@pytest.mark.parametrize("code", ["ThrottlingException", "ValidationException", "ResourceNotFoundException"])
def test_other_errors_are_raised_at_once(faults: Faults, waits, code):
    faults.fail("PutItem", refused("PutItem", code))
    with pytest.raises(ClientError) as raised:
        dynamodb.put_if(TABLE, KEY)
    assert aws.error_code(raised.value) == code
    assert is_unavailable(raised.value) == (code == "ThrottlingException")
    assert waits == []


def test_a_transaction_uses_another_client():
    class Client:
        def transact_write_items(self, **request: Any) -> dict[str, Any]:
            requests.append(request)
            return {}

    requests: list[Any] = []
    dynamodb.transact([dynamodb.put(TABLE, KEY)], client=Client())
    assert requests == [{"TransactItems": [{"Put": {"TableName": TABLE, "Item": {"id": {"S": "1"}}}}]}]


# --- queries ---


@pytest.fixture
def sorted_table() -> str:
    aws.client("dynamodb").create_table(
        TableName="sorted-samples",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("open", "at")],
        KeySchema=[{"AttributeName": "open", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_at",
                "KeySchema": [{"AttributeName": "at", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for at in "cab":
        dynamodb.put_if("sorted-samples", {"open": "1", "at": at})
    return "sorted-samples"


def test_a_query_returns_items_by_their_sort_key(sorted_table):
    items = dynamodb.query(sorted_table, "#open = :open AND #at >= :at", {":open": "1", ":at": "b"})
    assert [item["at"] for item in items] == ["b", "c"]


def test_a_query_reads_an_index(sorted_table):
    [item] = dynamodb.query(sorted_table, "#at = :at", {":at": "c"}, index="by_at")
    assert item == {"open": "1", "at": "c"}


def test_a_query_ends_at_its_limit(sorted_table):
    assert len([*dynamodb.query(sorted_table, "#open = :open", {":open": "1"}, limit=2)]) == 2


def test_a_query_reads_every_page(sorted_table, monkeypatch):
    real = aws.client("dynamodb").query
    monkeypatch.setattr(aws.client("dynamodb"), "query", lambda **request: real(**request | {"Limit": 1}))
    assert [item["at"] for item in dynamodb.query(sorted_table, "#open = :open", {":open": "1"})] == ["a", "b", "c"]
