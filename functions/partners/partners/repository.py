"""One DynamoDB table for all simulators: records by (collection, key), the entries of a ledger in a collection of their own.

Calls wait longer than those of a service: a simulator has no outages but injected ones.
"""

import json
import time
from typing import Any, TypedDict
from uuid import uuid4

from botocore.exceptions import ClientError

from partners.domain.operations import Conflict, Document, Documents, Stored, Write, ledger_collection, ledger_prefix
from setpieces import dynamodb
from setpieces.aws import cancellation_codes, patient_client
from setpieces.batches import read_batches
from setpieces.dynamodb_types import from_item, to_item
from setpieces.settings import setting

READ_SECONDS = 10


class Record(TypedDict):
    """A stored item. ``document`` is JSON text, so that a caller gets back exactly what it sent."""

    collection: str
    key: str
    revision: int
    document: str


def read(collection: str, key: str) -> Stored | None:
    """The record, None if there is none."""
    response = patient_client("dynamodb").get_item(
        TableName=_table(), Key=to_item(_key(collection, key)), ConsistentRead=True
    )
    return _parse_item(response["Item"])[1] if "Item" in response else None


def read_all(collection: str, keys: list[str]) -> dict[str, Stored]:
    """Those of up to 100 records that exist, by key."""
    deadline = time.monotonic() + READ_SECONDS
    item_keys = [to_item(_key(collection, key)) for key in keys]
    return dict(map(_parse_item, read_batches(patient_client("dynamodb"), _table(), item_keys, deadline)))


def list_documents(collection: str, prefix: str = "", after: str = "") -> Documents:
    """The documents whose keys begin with ``prefix`` and follow ``after``."""
    names, values, condition = {"#collection": "collection"}, {":collection": collection}, "#collection = :collection"
    if prefix:
        names["#key"], values[":prefix"] = "key", prefix
        condition += " AND begins_with(#key, :prefix)"
    request: dict[str, Any] = {
        "TableName": _table(),
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": to_item(values),
        "ConsistentRead": True,
    }
    if after:
        request["ExclusiveStartKey"] = to_item(_key(collection, after))
    while True:
        response = patient_client("dynamodb").query(**request)
        for item in response["Items"]:
            key, stored = _parse_item(item)
            yield key, stored.document
        if "LastEvaluatedKey" not in response:
            return
        request["ExclusiveStartKey"] = response["LastEvaluatedKey"]


def write(*writes: Write) -> None:
    """Store documents and their ledger entries, up to 100 in all: all or none.

    Raises ``Conflict`` unless each stored record is still the one that its write ``replaces``.
    """
    puts = []
    for each in writes:
        puts.append(_put(each))
        for entry in each.entries:
            key = f"{ledger_prefix(entry.key)}{entry.content['recorded_at']}#{uuid4().hex}"
            record = _record(ledger_collection(entry.ledger), key, entry.content, 1)
            puts.append(dynamodb.put(_table(), record))
    try:
        dynamodb.transact(puts, attempts=1, client=patient_client("dynamodb"))
    except dynamodb.TransactionRefused as refused:
        raise Conflict from refused
    except ClientError as error:
        # The other transaction changes the record: the rule has to decide on it again.
        if "TransactionConflict" in cancellation_codes(error):
            raise Conflict from error
        raise


def _put(write: Write) -> dynamodb.Write:
    if write.replaces is None:
        record = _record(write.collection, write.key, write.document, 1)
        return dynamodb.put(_table(), record, "attribute_not_exists(#collection)")
    revision = write.replaces.revision
    record = _record(write.collection, write.key, write.document, revision + 1)
    return dynamodb.put(_table(), record, "revision = :revision", {":revision": revision})


def _table() -> str:
    return setting("TABLE_NAME")


def _key(collection: str, key: str) -> dict[str, Any]:
    return {"collection": collection, "key": key}


def _record(collection: str, key: str, document: Document, revision: int) -> dict[str, Any]:
    return {**Record(collection=collection, key=key, revision=revision, document=json.dumps(document))}


def _parse_item(item: dict[str, Any]) -> tuple[str, Stored]:
    """(key, record) of an item."""
    record = from_item(item)
    return record["key"], Stored(record["revision"], json.loads(record["document"]))
