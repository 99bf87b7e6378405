"""DynamoDB requests of the shop, and mutations of them, answered by the local cloud and by independent implementations.

Witnesses: ``dynalite`` (npm), and moto. Compared are the status and the type of the error. There is no difference but for
``OPERAND_IN_PARENTHESES``; maps are left to moto (``is_beyond_dynalite``). AWS's own DynamoDB Local is not asked: its
licence is for holders of an AWS account in good standing only.
"""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from local.cloud.clone import free_ports
from local.settings import HOST
from model.settings import REGION
from tests.integration.two_emulators import PATCHED, running
from tests.second_opinion.tools import npm
from tools.client import eventually

DYNALITE = "dynalite@4.0.0"
HERE = Path(__file__).parent
RECORDED = [json.loads(line) for line in (HERE / "dynamodb_requests.jsonl").read_text().splitlines()]
# dynalite has no transactions, so it receives their members one by one.
SINGLE = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
EXPRESSIONS = (
    "UpdateExpression",
    "ConditionExpression",
    "KeyConditionExpression",
    "FilterExpression",
    "ProjectionExpression",
)
VALUES = "ExpressionAttributeValues"
# Refused here and taken by dynalite. The grammar that AWS documents has parentheses around conditions only
# (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html).
OPERAND_IN_PARENTHESES = re.compile(r"(?<!size )\( [#:]?\w+ \) [<>=]")
Client = Any
Answer = str  # the code of the error, "" of a success


@pytest.fixture(scope="module")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with running(PATCHED, tmp_path_factory.mktemp("emulator")) as cloud:
        yield cloud.aws("dynamodb")


@pytest.fixture(scope="module")
def dynalite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    (port,) = free_ports(1)
    program = npm(DYNALITE) / "dynalite" / "cli.js"
    log = (tmp_path_factory.mktemp("dynalite") / "log").open("w")
    options = ("--host", HOST, "--port", str(port), "--createTableMs", "0", "--deleteTableMs", "0")
    process = subprocess.Popen(("node", str(program), *options), stdout=log, stderr=subprocess.STDOUT)
    try:
        client = boto3.client(
            "dynamodb",
            endpoint_url=f"http://{HOST}:{port}",
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )
        eventually(lambda: client.list_tables()["ResponseMetadata"], 60)
        yield client
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def moto() -> Iterator[Client]:
    with mock_aws():
        yield boto3.client("dynamodb", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")


class Replay:
    """Tables of one recorded shape in one implementation; ``send`` answers a request on the items that were recorded."""

    def __init__(self, client: Client, shape: dict[str, Any]) -> None:
        self.client, self.shape, self._changed = client, shape, True
        for table in shape["tables"]:
            self._retry_in_use(client.create_table, **table, BillingMode="PAY_PER_REQUEST")
            eventually(partial(self._active, table["TableName"]), 30)

    def _active(self, name: str) -> bool:
        return self.client.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"

    def _retry_in_use(self, call: Callable[..., Any], **arguments: Any) -> None:
        """A table that is being deleted is in use for a moment."""

        def created() -> bool:
            call(**arguments)
            return True

        eventually(created, 30)

    def send(self, request: dict[str, Any]) -> Answer:
        if self._changed:
            self._restore()
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", self.shape["operation"]).lower()
        try:
            getattr(self.client, method)(**request)
        except ClientError as error:
            self._changed = False
            return str(error.response["Error"]["Code"])
        self._changed = True
        return ""

    def _restore(self) -> None:
        for table in self.shape["tables"]:
            name, keys = table["TableName"], [key["AttributeName"] for key in table["KeySchema"]]
            for item in self.client.scan(TableName=name, ConsistentRead=True)["Items"]:
                self.client.delete_item(TableName=name, Key={key: item[key] for key in keys})
            for item in self.shape["items"][name]:
                self.client.put_item(TableName=name, Item=item)

    def close(self) -> None:
        for table in self.shape["tables"]:
            self.client.delete_table(TableName=table["TableName"])


def mutations(request: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(mutation, request) with one fault in one expression each, members of transactions included."""
    for location, expression in expressions(request):
        tokens = re.findall(r"[#:]?\w+|<>|<=|>=|\S", expression)
        for number, token in enumerate(tokens):
            yield f"without {token!r}", replaced(request, location, " ".join(tokens[:number] + tokens[number + 1 :]))
        for word in ("AND", "nonsense", ","):
            yield f"{word} at the end", replaced(request, location, f"{expression} {word}")
        yield "twice", replaced(request, location, f"{expression} {expression}")
    for name, value in request.get(VALUES, {}).items():
        yield f"another {name}", replaced(request, (VALUES, name), {"SS": []})
        yield f"another {name}", replaced(request, (VALUES, name), {**value, "NULL": True})


Location = tuple[Any, ...]


def expressions(value: Any, location: Location = ()) -> Iterator[tuple[Location, str]]:
    """(location, text) of every expression of a request."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in inner:
        if key in EXPRESSIONS and isinstance(member, str):
            yield (*location, key), member
        else:
            yield from expressions(member, (*location, key))


def replaced(request: dict[str, Any], location: Location, value: Any) -> dict[str, Any]:
    changed = json.loads(json.dumps(request))
    holder = changed
    for key in location[:-1]:
        holder = holder[key]
    holder[location[-1]] = value
    return changed


def is_beyond_dynalite(request: dict[str, Any]) -> bool:
    """True for a condition that compares a map or a list: dynalite finds no two of them equal.

    For AWS they are equal if their contents are: "EQ is supported for all data types, including lists and maps"
    (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Condition.html).
    """
    documents = [name for name, value in request.get(VALUES, {}).items() if set(value) & {"L", "M"}]
    condition = request.get("ConditionExpression", "")
    return any(re.search(rf"(=|<>) {name}\b", condition) for name in documents)


def shapes_for_dynalite() -> Iterator[dict[str, Any]]:
    """The recorded shapes, and in place of a transaction each of its members."""
    for shape in RECORDED:
        if shape["operation"] != "TransactWriteItems":
            yield shape
            continue
        for member in shape["request"]["TransactItems"]:
            ((action, request),) = member.items()
            if action in SINGLE:
                tables = [table for table in shape["tables"] if table["TableName"] == request["TableName"]]
                yield {**shape, "operation": SINGLE[action], "request": request, "tables": tables}


@contextmanager
def replays(shape: dict[str, Any], **clients: Client) -> Iterator[dict[str, Replay]]:
    opened = {name: Replay(client, shape) for name, client in clients.items()}
    try:
        yield opened
    finally:
        for replay in opened.values():
            replay.close()


@pytest.fixture(scope="module")
def compared(local_cloud: Client, dynalite: Client, moto: Client) -> dict[str, Any]:
    """{"shapes": {witness: count}, "mutations": {witness: count}, "differences": [...]}."""
    result: dict[str, Any] = {"shapes": Counter(), "mutations": Counter(), "differences": []}
    for shape in RECORDED:
        with replays(shape, local_cloud=local_cloud, moto=moto) as opened:
            _compare(result, opened, "moto", "as recorded", shape["request"])
    compared_requests = set()
    for shape in shapes_for_dynalite():
        if is_beyond_dynalite(shape["request"]):
            result["shapes"]["left to moto"] += 1
            continue
        with replays(shape, local_cloud=local_cloud, dynalite=dynalite) as opened:
            _compare(result, opened, "dynalite", "as recorded", shape["request"])
            # moto's parser ends with exceptions of Python on some of these.
            for what, request in mutations(shape["request"]):
                text = json.dumps([shape["operation"], what, *(request.get(name) for name in EXPRESSIONS)])
                if text not in compared_requests and not OPERAND_IN_PARENTHESES.search(text):
                    compared_requests.add(text)
                    _compare(result, opened, "dynalite", what, request)
    return result


def _compare(
    result: dict[str, Any], opened: dict[str, Replay], witness: str, what: str, request: dict[str, Any]
) -> None:
    response, witness_response = opened["local_cloud"].send(request), opened[witness].send(request)
    result["shapes" if what == "as recorded" else "mutations"][witness] += 1
    if witness_response != response:
        result["differences"].append((witness, what, response, witness_response, json.dumps(request)))


def test_every_answer_is_that_of_the_witnesses(compared: dict[str, Any]):
    print({name: dict(compared[name]) for name in ("shapes", "mutations")})
    for line in compared["differences"]:
        print(*line)
    assert len(compared["differences"]) == 0
    assert compared["shapes"]["moto"] == len(RECORDED) > 100
