"""Sign-ups that wait for their confirmation, and how many mails an address was sent.

{sign_up_id, email, name, secret_hashes, mailed?, expires_at (TTL, epoch seconds)}. A mailed link holds "<sign_up_id>.<secret>";
the table has the digest of the secret only. A sign-up that was mailed twice, because it is not known whether the first mail
was sent, has two secrets, and both links work. Mails are counted under "mails#<digest of the address>#<number of the hour>".
"""

import hashlib
import secrets
import time
from dataclasses import dataclass

from botocore.exceptions import ClientError
from customer_requests import SignUp

from setpieces import attempts
from setpieces.aws import client, error_code
from setpieces.items import from_item, to_item
from setpieces.settings import setting

LIFE_SECONDS = 24 * 3600
HOUR = 3600
MAILS_PER_HOUR = 5


@dataclass(frozen=True)
class Pending:
    """A sign-up whose link was followed."""

    email: str
    name: str


def sign_up_id(asked: SignUp, idempotency_key: str | None) -> str:
    """The same for the same request under the same key; a new one without a key."""
    if idempotency_key is None:
        return secrets.token_hex(16)
    parts = (idempotency_key, asked.email.casefold(), asked.name)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def may_be_mailed(identifier: str, email: str) -> bool:
    """Whether the address may be sent a mail for this sign-up; counts it."""
    now = int(time.time())
    key = {"sign_up_id": f"mails#{attempts.digest(email)}#{now // HOUR}"}
    limits = {"sign_ups": MAILS_PER_HOUR}
    return attempts.admit(setting("TABLE_NAME"), key, identifier, limits, (now // HOUR + 1) * HOUR)


def begin(identifier: str, asked: SignUp) -> str | None:
    """Store the sign-up; returns the token for its link, None if one was mailed already and still works."""
    secret, now = secrets.token_urlsafe(32), int(time.time())
    try:
        client("dynamodb").update_item(
            TableName=setting("TABLE_NAME"),
            Key=to_item({"sign_up_id": identifier}),
            UpdateExpression="SET email = :email, #name = :name, expires_at = :until REMOVE mailed ADD secret_hashes :hash",
            ConditionExpression="attribute_not_exists(mailed) OR expires_at <= :now",
            ExpressionAttributeNames={"#name": "name"},
            ExpressionAttributeValues=to_item(
                {
                    ":email": asked.email,
                    ":name": asked.name,
                    ":until": now + LIFE_SECONDS,
                    ":now": now,
                    ":hash": {_hash(secret)},
                }
            ),
        )
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            return None
        raise
    return f"{identifier}.{secret}"


def note_mailed(identifier: str) -> None:
    """From now on a repeat of the request sends no other mail."""
    client("dynamodb").update_item(
        TableName=setting("TABLE_NAME"),
        Key=to_item({"sign_up_id": identifier}),
        UpdateExpression="SET mailed = :yes",
        ExpressionAttributeValues=to_item({":yes": True}),
    )


def find(token: str) -> Pending | None:
    """The sign-up that a link belongs to; None if there is none, or if it has expired."""
    identifier, _, secret = token.partition(".")
    answer = client("dynamodb").get_item(
        TableName=setting("TABLE_NAME"), Key=to_item({"sign_up_id": identifier}), ConsistentRead=True
    )
    stored = from_item(answer.get("Item", {}))
    # DynamoDB removes expired items days late.
    if not stored or stored["expires_at"] <= time.time() or _hash(secret) not in stored.get("secret_hashes", ()):
        return None
    return Pending(stored["email"], stored["name"])


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
