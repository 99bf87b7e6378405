"""Sign-ups that wait for their confirmation, and the number of mails to each mailbox, in one table.

A mailed link contains the token "<sign_up_id>.<secret>"; the table has only the SHA-256 of the secret. A sign-up has another
secret, and another link that works, for each repeat of its request while no mail is known to have been sent.

Mails are counted in items "mails#<digest of the mailbox>#<number of the hour>".
"""

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import NotRequired, TypedDict, cast

from customers.domain.sign_ups import LINK_SECONDS, MAILS_PER_HOUR, MAX_LINK_USES, SignUp, mailbox
from setpieces import attempts, dynamodb
from setpieces.dynamodb import ConditionFailed
from setpieces.email_addresses import comparable_email
from setpieces.settings import setting

HOUR_SECONDS = 3600
# The sets in which mails are counted: those to the mailbox's own address, and those to all its subaddresses.
OWN_ADDRESS_LIMITS, SUBADDRESS_LIMITS = {"sign_ups": MAILS_PER_HOUR}, {"appended": MAILS_PER_HOUR}


class StoredSignUp(TypedDict):
    """``uses`` has an id for each use of any of its links. ``expires_at`` (TTL) is in epoch seconds."""

    sign_up_id: str
    email: str
    name: str
    secret_hashes: set[str]
    expires_at: int
    mailed: NotRequired[bool]
    uses: NotRequired[set[str]]


@dataclass(frozen=True)
class CountedMail:
    """A mail that is within its limit and counts towards it."""

    key: dict[str, str]
    attempt: str
    limits: dict[str, int]

    def release(self) -> None:
        """Count the mail no longer, because it was not sent."""
        attempts.remove_attempt(_table(), self.key, self.attempt, self.limits)


def count_mail(email: str) -> CountedMail | None:
    """Count a mail to an address; None if its limit is reached.

    Concurrent requests count one by one. Mails to ``ada+1@...`` do not count towards the limit of ``ada@...``: otherwise a
    stranger who requests them would prevent the owner of the mailbox from signing up.
    """
    hour, address = int(time.time()) // HOUR_SECONDS, comparable_email(email)
    recipient = mailbox(address)
    mail = CountedMail(
        {"sign_up_id": f"mails#{attempts.subject_digest(recipient)}#{hour}"},
        secrets.token_hex(8),
        OWN_ADDRESS_LIMITS if recipient == address else SUBADDRESS_LIMITS,
    )
    admitted = attempts.add_attempt(_table(), mail.key, mail.attempt, mail.limits, (hour + 1) * HOUR_SECONDS)
    return mail if admitted else None


def create_sign_up(sign_up_id: str, email: str, name: str) -> str | None:
    """Store a sign-up, or add a secret to one whose mail may not have been sent.

    Returns the token for its link, None if the sign-up was mailed before and its link still works.
    """
    key, secret, now = {"sign_up_id": sign_up_id}, secrets.token_urlsafe(32), int(time.time())
    expires_at, secret_hashes = now + LINK_SECONDS, {_hash(secret)}
    try:
        dynamodb.update_if(
            _table(),
            key,
            set={"email": email, "name": name, "expires_at": expires_at, "secret_hashes": secret_hashes},
            # DynamoDB removes expired items days late: neither old links nor their uses may come back.
            remove=("mailed", "uses"),
            condition="attribute_not_exists(sign_up_id) OR expires_at <= :now",
            values={":now": now},
        )
    except ConditionFailed:
        # Also if the response to the first write was lost and the SDK repeated it; this one then changes nothing.
        try:
            dynamodb.update_if(
                _table(),
                key,
                set={"expires_at": expires_at},
                add={"secret_hashes": secret_hashes},
                condition="attribute_not_exists(mailed)",
            )
        except ConditionFailed:
            return None
    return f"{sign_up_id}.{secret}"


def mark_mailed(sign_up_id: str) -> None:
    """Record that the link was mailed, so that a repeat of the request sends no other mail."""
    dynamodb.update_if(_table(), {"sign_up_id": sign_up_id}, set={"mailed": True})


def use_link(token: str) -> SignUp | None:
    """Count a use of the link with this token, and return its sign-up.

    None if the link is unknown or has expired, or if the sign-up's links were used ``MAX_LINK_USES`` times already.
    """
    (sign_up_id, _, secret), use = token.partition("."), secrets.token_hex(8)
    try:
        item = dynamodb.update_if(
            _table(),
            {"sign_up_id": sign_up_id},
            add={"uses": {use}},
            # DynamoDB removes expired items days late.
            condition=(
                "contains(secret_hashes, :hash) AND expires_at > :now"
                " AND (attribute_not_exists(uses) OR size(uses) < :most OR contains(uses, :use))"
            ),
            values={":hash": _hash(secret), ":now": int(time.time()), ":most": MAX_LINK_USES, ":use": use},
        )
    except ConditionFailed:
        return None
    stored = cast(StoredSignUp, item)
    return SignUp(stored["email"], stored["name"])


def _table() -> str:
    return setting("TABLE_NAME")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
