"""Migrates one customer: reads both platforms, merges in memory, writes once."""

from datetime import UTC, datetime

from customer_migration import clients, repository
from customer_migration.clients import CustomerDeleted
from customer_migration.domain import FAILED, MIGRATED, NOT_FOUND, Outcome, merge
from customer_migration.requests import MigrateCustomer
from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, PermanentFailure, RetryLater
from setpieces.observability import count, logger
from setpieces.settings import setting

# A platform may know a customer only after a while: a customer is looked for this many times, 2 and 4 seconds apart.
NOT_FOUND_RECEIVES = 3
# Attempts to write a customer who is changed at the same time.
WRITE_ATTEMPTS = 3


def migrate_customer(command: MigrateCustomer) -> None:
    """Bring the customer's profile up to the legacy platform's version, and store the outcome.

    Raises ``RetryLater`` while another message migrates the customer or a platform is unavailable, and ``PermanentFailure``
    INVALID_SOURCE, OVERSIZE or REFUSED.
    """
    lease = repository.acquire_lease(command.customer_id)
    if lease is None:
        raise RetryLater(backoff_seconds(command.receive_count), "another message is migrating this customer")
    try:
        outcome = _migrate(command, lease.source_version)
    except RetryLater as error:
        if command.receive_count >= int(setting("MAX_RECEIVES")):
            repository.complete(lease, Outcome(FAILED, reason="UNAVAILABLE"))
            logger.error("migration failed", extra={"detail": error.detail})
        else:
            repository.release_lease(lease)
        raise
    except PermanentFailure as failure:
        repository.complete(lease, Outcome(FAILED, reason=failure.reason))
        raise
    repository.complete(lease, outcome)
    if outcome.status == MIGRATED:
        count("CustomerMigrated")
    extra = {"status": outcome.status, "reason": outcome.reason, "receives": command.receive_count}
    logger.info("migration completed", extra=extra)


def _migrate(command: MigrateCustomer, migrated_version: int) -> Outcome:
    """``_merge_and_write`` with the errors of the platforms as outcomes or as errors of the queue."""
    try:
        return _merge_and_write(command, migrated_version)
    except CustomerDeleted:
        # A deletion on one platform takes precedence over data on the other: the customer asked to be forgotten.
        return Outcome(NOT_FOUND, reason="DELETED")
    except ExternalUnavailable as error:
        seconds = max(backoff_seconds(command.receive_count), error.retry_after or 0)
        raise RetryLater(seconds, str(error)) from error


def _merge_and_write(command: MigrateCustomer, migrated_version: int) -> Outcome:
    legacy = clients.get_legacy_customer(command.customer_id)
    if legacy is None:
        return _not_found("NO_LEGACY_CUSTOMER", command.receive_count)
    for _ in range(WRITE_ATTEMPTS):
        customer = clients.get_customer(command.customer_id)
        if customer is None:
            return _not_found("NO_NEW_CUSTOMER", command.receive_count)
        merged = merge(legacy, customer, migrated_version, datetime.now(UTC))
        if merged is None:
            return Outcome(MIGRATED, max(migrated_version, customer.get("source_version", 0)))
        # One conditional write: the customer has all of the legacy data, or none.
        if clients.put_customer(command.customer_id, merged, customer["version"]):
            return Outcome(MIGRATED, merged["source_version"])
    raise RetryLater(backoff_seconds(command.receive_count), "the customer is being changed")


def _not_found(reason: str, receive_count: int) -> Outcome:
    """The outcome NOT_FOUND. Raises ``RetryLater`` before the last of ``NOT_FOUND_RECEIVES`` deliveries."""
    if receive_count < NOT_FOUND_RECEIVES:
        raise RetryLater(backoff_seconds(receive_count), reason)
    return Outcome(NOT_FOUND, reason=reason)
