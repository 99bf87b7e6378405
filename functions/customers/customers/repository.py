"""Sign-ups that wait for their confirmation, and how many mails an address was sent.

{sign_up_id, email, name, secret_hashes, mailed?, uses?, expires_at (TTL, epoch seconds)}. A mailed link holds
"<sign_up_id>.<secret>"; the table has the digest of the secret only. A sign-up that was mailed twice, because it is not known
whether the first mail was sent, has two secrets, and both links work. Mails are counted under
"mails#<digest of the mailbox>#<number of the hour>": those to the mailbox's own address, and those to all others of it.
"""

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from setpieces import attempts
from setpieces.aws import client, error_code
from setpieces.dynamodb_types import from_item, to_item
from setpieces.settings import setting

LIFE_SECONDS = 24 * 3600
HOUR = 3600
MAILS_PER_HOUR = 5
# How often the links of a sign-up are taken. A confirmation tells whether a password is that of the address's account: with the
# mails of an hour these are 100 guesses, as many as a sign-in allows.
USES = 20
OWN, APPENDED = {"sign_ups": MAILS_PER_HOUR}, {"appended": MAILS_PER_HOUR}


@dataclass(frozen=True)
class Pending:
    """A sign-up whose link was followed."""

    email: str
    name: str


@dataclass(frozen=True)
class CountedMail:
    """A mail that may be sent now."""

    key: dict[str, str]
    attempt: str
    limits: dict[str, int]

    def take_back(self) -> None:
        """It was not sent, and counts no longer."""
        attempts.release(setting("TABLE_NAME"), self.key, self.attempt, self.limits)


def count_mail(email: str) -> CountedMail | None:
    """Count a mail to an address; None if it was sent too many. Each one counts: requests with one key may come all at once.

    Mails to ``ada+1@...`` use up none of those to ``ada@...``: their links are for another account, so that a stranger who
    asks for them would keep the owner of the mailbox out.
    """
    hour, whole = int(time.time()) // HOUR, mailbox(email)
    mail = CountedMail(
        {"sign_up_id": f"mails#{attempts.digest(whole)}#{hour}"},
        secrets.token_hex(8),
        OWN if whole == email else APPENDED,
    )
    admitted = attempts.admit(setting("TABLE_NAME"), mail.key, mail.attempt, mail.limits, (hour + 1) * HOUR)
    return mail if admitted else None


def mailbox(email: str) -> str:
    """The address without what many providers let its owner append (RFC 5233): ``ada+shop@...`` is delivered to ``ada@...``."""
    local, _, domain = email.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def begin(sign_up_id: str, email: str, name: str) -> str | None:
    """Store the sign-up; returns the token for its link, None if one was mailed already and still works."""
    secret, now = secrets.token_urlsafe(32), int(time.time())
    link = {":until": now + LIFE_SECONDS, ":hash": {_hash(secret)}}
    # DynamoDB removes expired items days late: what such a one has must not come back, neither links nor their uses.
    anew = _store(
        sign_up_id,
        "SET email = :email, #name = :name, expires_at = :until, secret_hashes = :hash REMOVE mailed, uses",
        "attribute_not_exists(sign_up_id) OR expires_at <= :now",
        link | {":now": now, ":email": email, ":name": name},
        ExpressionAttributeNames={"#name": "name"},
    )
    # Not mailed as far as is known. An answer to the first write that was lost ends here too, and changes nothing more.
    again = anew or _store(
        sign_up_id, "SET expires_at = :until ADD secret_hashes :hash", "attribute_not_exists(mailed)", link
    )
    return f"{sign_up_id}.{secret}" if again else None


def _store(identifier: str, update: str, condition: str, values: dict[str, Any], **names: Any) -> bool:
    """False if the condition does not hold."""
    try:
        client("dynamodb").update_item(
            TableName=setting("TABLE_NAME"),
            Key=to_item({"sign_up_id": identifier}),
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeValues=to_item(values),
            **names,
        )
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            return False
        raise
    return True


def note_mailed(identifier: str) -> None:
    """From now on a repeat of the request sends no other mail."""
    client("dynamodb").update_item(
        TableName=setting("TABLE_NAME"),
        Key=to_item({"sign_up_id": identifier}),
        UpdateExpression="SET mailed = :yes",
        ExpressionAttributeValues=to_item({":yes": True}),
    )


def find(token: str) -> Pending | None:
    """The sign-up that a link belongs to; counts the use. None if there is none, if it has expired or was used too often."""
    (identifier, _, secret), use = token.partition("."), secrets.token_hex(8)
    try:
        answer = client("dynamodb").update_item(
            TableName=setting("TABLE_NAME"),
            Key=to_item({"sign_up_id": identifier}),
            UpdateExpression="ADD uses :uses",
            # DynamoDB removes expired items days late.
            ConditionExpression=(
                "contains(secret_hashes, :hash) AND expires_at > :now"
                " AND (attribute_not_exists(uses) OR size(uses) < :most OR contains(uses, :use))"
            ),
            ExpressionAttributeValues=to_item(
                {
                    ":hash": _hash(secret),
                    ":now": int(time.time()),
                    ":most": USES,
                    ":use": use,
                    ":uses": {use},
                }
            ),
            ReturnValues="ALL_NEW",
        )
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            return None
        raise
    stored = from_item(answer["Attributes"])
    return Pending(stored["email"], stored["name"])


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
