"""DynamoDB's expression grammars: the expressions that AWS rejects before it reads an item, and those that it accepts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulator.dynamodb_expressions import error

NAMES = {"#a": "a", "#b": "b", "#status": "status"}
VALUES = {":n": {"N": "1"}, ":m": {"N": "2"}, ":s": {"S": "x"}, ":l": {"L": []}, ":set": {"SS": ["x"]}}
UPDATE, CONDITION, FILTER = "UpdateExpression", "ConditionExpression", "FilterExpression"
KEY, PROJECTION = "KeyConditionExpression", "ProjectionExpression"


def message(kind: str, expression: str, values: dict[str, Any] | None = None, operation: str = "Query") -> str | None:
    request = {kind: expression, "ExpressionAttributeNames": NAMES, "ExpressionAttributeValues": values or VALUES}
    return error(operation, request, frozenset({"pk", "sk"}))


@pytest.mark.parametrize(
    ("kind", "expression", "says"),
    [
        (UPDATE, "SET a = :n nonsense words", 'Syntax error; token: "nonsense"'),
        (UPDATE, "SET a = :n AND", 'Syntax error; token: "AND"'),
        (UPDATE, "SET a = :n,, b = :n", "Syntax error"),
        (UPDATE, "SET a = :n,", "Syntax error"),
        (UPDATE, "SET a :n", "Syntax error"),
        (UPDATE, "SET", 'Syntax error; token: "<EOF>"'),
        (UPDATE, "SET m.0 = :n", "Syntax error"),
        (UPDATE, "SET a = :n + :m + :n", "Syntax error"),
        (UPDATE, "SET a = unknown(:n)", "Syntax error"),
        (UPDATE, "SET a = if_not_exists(:n, a)", "Syntax error"),
        (UPDATE, "a = :n", "Syntax error"),
        (UPDATE, "", "The expression can not be empty"),
        (UPDATE, "SET a = :n SET b = :n", 'The "SET" section can only be used once'),
        (UPDATE, "SET a = :n, a = :n", "Two document paths overlap"),
        (UPDATE, "SET #a = :n REMOVE a.b", "path one: [a], path two: [a, b]"),
        (UPDATE, "SET status = :n", "reserved keyword: status"),
        (UPDATE, "SET a = :unknown", "not defined; attribute value: :unknown"),
        (UPDATE, "SET #unknown = :n", "not defined; attribute name: #unknown"),
        (UPDATE, "SET a = a + :s", "operator or function: +, operand type: S"),
        (UPDATE, "SET a = list_append(a, :n)", "operator or function: list_append, operand type: N"),
        (UPDATE, "ADD a :s", "operator or function: ADD, operand type: S"),
        (UPDATE, "DELETE a :n", "operator or function: DELETE, operand type: N"),
        (CONDITION, "attribute_not_exists(pk) AND", 'Syntax error; token: "AND"'),
        (CONDITION, "attribute_not_exists(pk) OR OR a = :n", "Syntax error"),
        (CONDITION, "contains(a)", "Syntax error"),
        (CONDITION, "a == :n", "Syntax error"),
        (CONDITION, "a IN (:n, )", "Syntax error"),
        (CONDITION, "begins_with(a, :n)", "operator or function: begins_with, operand type: N"),
        (CONDITION, "a < :l", "operator or function: <, operand type: L"),
        (KEY, "pk = :s OR pk = :s", 'Syntax error; token: "OR"'),
        (KEY, "pk = :s AND", "Syntax error"),
        (KEY, "pk = :s AND NOT sk = :s", "Syntax error"),
        (KEY, "pk <> :s", "Syntax error"),
        (KEY, "hour = :s", "reserved keyword: hour"),
        (FILTER, "sk = :s", "non-primary key attributes: Primary key attribute: sk"),
        (FILTER, "a = :s AND", "Syntax error"),
        (FILTER, "counter = :s", "reserved keyword: counter"),
        (PROJECTION, "a, AND", "reserved keyword: AND"),
        (PROJECTION, "a,", "Syntax error"),
        (PROJECTION, "a, a.b", "Two document paths overlap"),
    ],
)
def test_an_invalid_expression_is_rejected(kind: str, expression: str, says: str):
    assert says in (message(kind, expression) or "accepted")


@pytest.mark.parametrize(
    ("kind", "expression"),
    [
        (UPDATE, "set #a=:n, b.c[0].#status = if_not_exists(b.c[0].d, :m) + :n remove e, f[3] add g :n delete h :set"),
        (UPDATE, "SET a = list_append(if_not_exists(a, :l), :l), b = (:n), c = d - :n"),
        (UPDATE, "ADD a :set, b.c :n"),
        (CONDITION, "a = :n AND NOT (b < :n OR c IN (:n, :m)) AND size(d) > :n"),
        (CONDITION, "attribute_not_exists(pk) OR (b <> :n AND attribute_exists(#b.c)) OR contains(a, :s)"),
        (CONDITION, "a BETWEEN :n AND :m AND android = :s AND attribute_type(a, :s)"),
        (KEY, "pk = :s AND sk BETWEEN :s AND :s"),
        (KEY, "(pk = :s) and begins_with(sk, :s)"),
        (FILTER, "a = :s"),
        (PROJECTION, "a, b[0].c, #status"),
    ],
)
def test_a_valid_expression_is_accepted(kind: str, expression: str):
    assert message(kind, expression) is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"S": "x", "N": "1"}, "more than one datatypes"),
        ({}, "more than one datatypes"),
        ({"SS": []}, "may not be empty"),
    ],
)
def test_a_value_has_one_type_and_a_set_has_members(value: dict[str, Any], says: str):
    assert says in (message(UPDATE, "SET a = :v", {":v": value}) or "accepted")


@pytest.mark.parametrize("operation", ["TransactWriteItems", "TransactGetItems"])
def test_each_member_of_a_transaction_is_checked(operation: str):
    members = [{"Update": {UPDATE: "SET a = b"}}, {"Update": {UPDATE: "SET a"}}]
    assert "Syntax error" in (error(operation, {"TransactItems": members}) or "accepted")
    assert error(operation, {"TransactItems": members[:1]}) is None


def test_each_table_of_a_batch_is_checked():
    assert "Syntax error" in (error("BatchGetItem", {"RequestItems": {"one": {PROJECTION: "a,"}}}) or "accepted")


paths = st.lists(st.sampled_from(["#a", "x1", "_y", "long_name"]), min_size=1, max_size=3).map(".".join)
operands = st.one_of(paths, st.sampled_from([":n", ":m"]), paths.map("size({})".format))
comparisons = st.one_of(
    st.tuples(operands, st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), operands).map(" ".join),
    st.tuples(operands, operands, operands).map(lambda three: "{} BETWEEN {} AND {}".format(*three)),
    paths.map("attribute_exists({})".format),
    st.tuples(operands, operands).map(lambda two: "{} IN ({}, {})".format(two[0], *two)),
)
conditions = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" AND ", " or "]), inner).map("".join),
        inner.map("NOT ({})".format),
        inner.map("({})".format),
    ),
    max_leaves=6,
)


@given(conditions)
def test_every_condition_of_the_grammar_is_accepted(condition: str):
    assert message(CONDITION, condition) is None


@given(conditions, st.sampled_from([" AND", " nonsense", ")", " =", " ,"]))
def test_a_condition_with_an_extra_word_is_rejected(condition: str, word: str):
    assert "Syntax error" in (message(CONDITION, condition + word) or "accepted")
