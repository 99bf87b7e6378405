"""One DynamoDB table for all simulators: records by (collection, key), ledger entries in collections of their own.

{collection, key, revision, document}; document is JSON text, so that whatever a caller sent comes back as it was
"""

import json
import time
from collections.abc import Iterator
from functools import cached_property
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from partners.simulators.operations import Conflict, Stored, Write, ledger_collection, ledger_prefix
from setpieces.aws import cancellation_codes, patient_client
from setpieces.batches import read_batches
from setpieces.settings import setting

READ_SECONDS = 10
# Why a transaction is cancelled when others were faster; anything else is an error.
_OTHERS_WERE_FASTER = {"None", "ConditionalCheckFailed", "TransactionConflict"}


class TableStore:
    """Records in the table that ``TABLE_NAME`` names."""

    @cached_property
    def _table(self) -> str:
        return setting("TABLE_NAME")

    def read(self, collection: str, key: str) -> Stored | None:
        """The record as it is now."""
        item = (
            patient_client("dynamodb")
            .get_item(TableName=self._table, Key=_key(collection, key), ConsistentRead=True)
            .get("Item")
        )
        return Stored(int(item["revision"]["N"]), json.loads(item["document"]["S"])) if item else None

    def documents(self, collection: str, prefix: str = "", after: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """(key, document) of the records whose key begins with ``prefix`` and follows ``after``, by key."""
        names, values, condition = {"#c": "collection"}, {":c": {"S": collection}}, "#c = :c"
        if prefix:
            names["#k"], values[":prefix"] = "key", {"S": prefix}
            condition += " AND begins_with(#k, :prefix)"
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
        }
        if after:
            query["ExclusiveStartKey"] = _key(collection, after)
        while True:
            answer = patient_client("dynamodb").query(**query)
            yield from ((item["key"]["S"], json.loads(item["document"]["S"])) for item in answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def read_all(self, collection: str, keys: list[str]) -> dict[str, Stored]:
        """Those of up to 100 records that exist, as they are now."""
        deadline = time.monotonic() + READ_SECONDS
        items = read_batches(patient_client("dynamodb"), self._table, [_key(collection, key) for key in keys], deadline)
        return {
            item["key"]["S"]: Stored(int(item["revision"]["N"]), json.loads(item["document"]["S"])) for item in items
        }

    def write(self, *writes: Write) -> None:
        """Store documents and their ledger entries, all or none of up to 100.

        Raises ``Conflict`` if one of the stored records is no longer what it ``replaces``.
        """
        puts: list[Any] = []
        for write in writes:
            puts.append(self._put(write))
            for entry in write.entries:
                line = f"{ledger_prefix(entry.key)}{entry.content['recorded_at']}#{uuid4().hex}"
                item = _item(ledger_collection(entry.ledger), line, entry.content, 1)
                puts.append({"TableName": self._table, "Item": item})
        try:
            patient_client("dynamodb").transact_write_items(TransactItems=[{"Put": put} for put in puts])
        except ClientError as error:
            codes = {*cancellation_codes(error)}
            if codes and codes <= _OTHERS_WERE_FASTER:
                raise Conflict from error
            raise

    def _put(self, write: Write) -> dict[str, Any]:
        revision = write.replaces.revision + 1 if write.replaces else 1
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": _item(write.collection, write.key, write.document, revision),
        }
        if write.replaces:
            return put | {
                "ConditionExpression": "#r = :revision",
                "ExpressionAttributeNames": {"#r": "revision"},
                "ExpressionAttributeValues": {":revision": {"N": str(write.replaces.revision)}},
            }
        return put | {
            "ConditionExpression": "attribute_not_exists(#c)",
            "ExpressionAttributeNames": {"#c": "collection"},
        }


def _key(collection: str, key: str) -> dict[str, Any]:
    return {"collection": {"S": collection}, "key": {"S": key}}


def _item(collection: str, key: str, document: dict[str, Any], revision: int) -> dict[str, Any]:
    return _key(collection, key) | {"revision": {"N": str(revision)}, "document": {"S": json.dumps(document)}}
