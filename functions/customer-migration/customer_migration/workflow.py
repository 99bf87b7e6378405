"""One customer, migrated once: fetch, compose in memory, write in one piece."""

from dataclasses import dataclass
from datetime import UTC, datetime

from customer_migration import repository as table
from customer_migration.clients import Deleted, Refused, legacy_customer, new_customer, update
from customer_migration.domain import BadSource, merge
from customer_migration.repository import FAILED, MIGRATED, NOT_FOUND
from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, PermanentFailure, RetryLater
from setpieces.observability import count, logger
from setpieces.settings import setting

# The legacy platform knows a customer only after a while: this often it is asked, 2 and 4 seconds apart.
NOT_FOUND_RECEIVES = 3
# The customer, or somebody for them, may be changing their profile at the same time.
RACES = 3


@dataclass(frozen=True)
class Outcome:
    """How a migration ended; ``reason`` says why it is not MIGRATED."""

    status: str
    source_version: int | None = None
    reason: str | None = None


def migrate(customer_id: str, receives: int) -> None:
    """Bring the customer's new profile up to the legacy platform's version; ``receives`` counts this message's deliveries.

    Raises ``RetryLater`` while another message migrates the customer or a platform is unavailable, and
    ``PermanentFailure`` where no retry can help.
    """
    lease = table.acquire(customer_id)
    if lease is None:
        raise RetryLater(_wait(receives), "another message is migrating this customer")
    try:
        outcome = _outcome(customer_id, lease.source_version, receives)
    except RetryLater as later:
        if receives >= int(setting("MAX_RECEIVES")):
            table.finish(lease, FAILED, reason="UNAVAILABLE")
            logger.error("given up", extra={"detail": str(later)})
        else:
            table.release(lease)
        raise
    except PermanentFailure as reject:
        table.finish(lease, FAILED, reason=reject.reason)
        raise
    table.finish(lease, outcome.status, outcome.source_version, outcome.reason)
    if outcome.status == MIGRATED:
        count("CustomerMigrated")
    logger.info("migration", extra={"status": outcome.status, "reason": outcome.reason, "receives": receives})


def _outcome(customer_id: str, migrated_version: int, receives: int) -> Outcome:
    try:
        return _compose_and_write(customer_id, migrated_version, receives)
    except Deleted:
        # Whatever the other platform still has: they asked to be forgotten.
        return Outcome(NOT_FOUND, reason="DELETED")
    except ExternalUnavailable as error:
        raise RetryLater(max(_wait(receives), error.retry_after or 0), str(error)) from error
    except BadSource as bad:
        raise PermanentFailure(bad.reason, bad.detail) from bad
    except Refused as refused:
        raise PermanentFailure("REFUSED", str(refused)) from refused


def _compose_and_write(customer_id: str, migrated_version: int, receives: int) -> Outcome:
    source = legacy_customer(customer_id)
    if source is None:
        return _absent("NO_LEGACY_CUSTOMER", receives)
    for _ in range(RACES):
        customer = new_customer(customer_id)
        if customer is None:
            return _absent("NO_NEW_CUSTOMER", receives)
        merged = merge(source, customer, migrated_version, datetime.now(UTC))
        if merged is None:
            return Outcome(MIGRATED, max(migrated_version, customer.get("source_version", 0)))
        # One write under one condition: all of it is there, or none.
        if update(customer_id, merged, customer["version"]):
            return Outcome(MIGRATED, merged["source_version"])
    raise RetryLater(_wait(receives), "others keep changing this customer")


def _absent(reason: str, receives: int) -> Outcome:
    if receives < NOT_FOUND_RECEIVES:
        raise RetryLater(_wait(receives), reason)
    return Outcome(NOT_FOUND, reason=reason)


def _wait(receives: int) -> int:
    return backoff_seconds(receives)
