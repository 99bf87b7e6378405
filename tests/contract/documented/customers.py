"""Numbers of the pages of customers, their sessions and the events about them."""

from customer_migration import clients as migration_clients
from customer_migration import domain as migration_domain
from customer_migration import repository as migration_repository
from customer_migration import workflow as migration_workflow
from customers import requests as customers_requests
from customers.clients import platforms
from customers.domain import sign_ups
from customers.workflow import update_profile
from data_sync import clients as sync_clients
from data_sync import domain as sync_domain
from event_relay import clients as relay_clients
from event_relay.workflow import BATCH_SECONDS
from login import clients as login_clients
from login.repository import sessions, sign_ins
from setpieces import events
from setpieces.backoff import backoff_seconds
from setpieces.parameters import MAX_AGE_SECONDS
from tests.contract.documented.sources import (
    About,
    Facts,
    at_once,
    calls,
    consumer,
    in_file,
    parameter,
    queue,
    receives,
    resource,
    schedule,
    threshold,
    throttle,
    timeout,
    waits,
)
from tests.contract.quantities import DAY, MINUTE

CACHED = parameter("customers", "AuthorizerCacheSeconds")
AUTHORIZER_READS = calls("view a profile", "customers", "dynamodb:GetItem")
# The measured sign-up has two deliveries.
MIGRATION_WRITES = calls("sign up", "customer-migration", "dynamodb:UpdateItem") / 2
GUESSES_AN_HOUR = parameter("login", "FailuresPerAddress") * 3600 / sign_ins.WINDOW_SECONDS
FIFO_WINDOW = "AWS: SQS drops a repeated message of a FIFO queue within five minutes"
PROBABILITY = "a calculation from one failure in five calls"
FIRST_WAITS = (backoff_seconds(1), backoff_seconds(2), backoff_seconds(3))
MOST = backoff_seconds(20)

FACTS: Facts = {
    "docs/set-pieces/login.md": {
        "authorize-guest / authorize-admin ── {} GetItem": AUTHORIZER_READS,
        "sign-out {} GetItem and DeleteItem; an authorizer {} GetItem": (AUTHORIZER_READS, AUTHORIZER_READS),
        "create-session ── {} at most": login_clients.CALL_SECONDS,
        "after {} failures of one client with one address in {}, or {} of all clients": (
            parameter("login", "FailuresPerClient"),
            sign_ins.WINDOW_SECONDS,
            parameter("login", "FailuresPerAddress"),
        ),
        "A token is {} random bits": 8 * sessions.TOKEN_BYTES,
        "whose authorizer is cached for {}": CACHED,
        "in windows of {}": sign_ins.WINDOW_SECONDS,
        "limit for all clients: {} failures an hour": GUESSES_AN_HOUR,
        "uses up the {} failures": parameter("login", "FailuresPerAddress"),
        "limited by {} sign-ins a second": throttle("login", "/~1v1~1sessions", "POST"),
        "sign-in {} UpdateItem, GetItem": calls("sign in", "login", "dynamodb:UpdateItem"),
        "one function, {} writes and an event per sign-in": calls(
            "sign in", "login", "dynamodb:PutItem", "dynamodb:UpdateItem"
        ),
    },
    "docs/set-pieces/customers.md": {
        "authorize-customer ── {} GetItem": AUTHORIZER_READS,
        "authorisation | {} GetItem, rarely": AUTHORIZER_READS,
        "another customer's path | {} GetItem": AUTHORIZER_READS,
        "with a mismatch | {} GetItem": AUTHORIZER_READS,
        "sign-up | {} UpdateItem, SendEmail": calls("sign up", "customers", "dynamodb:UpdateItem") - 1,
        "at the same time, {} for both": platforms.LOOK_UP_SECONDS,
        "## The {} checks": "the rows of the table below it",
        "reads: {} |": CACHED,
        "and reads after at most {}.": CACHED,
        "older than {}, or submitted {} times": (sign_ups.LINK_SECONDS, sign_ups.MAX_LINK_USES),
        "to the newer one ({} attempts": update_profile.MAX_TRIES,
        "a secret of {} bits": 8 * in_file("functions/customers/customers/repository.py", "secrets.token_urlsafe({})"),
        "A link is valid for {}": sign_ups.LINK_SECONDS,
        "at most {} mails an hour for its own address, and {} for all": (
            sign_ups.MAILS_PER_HOUR,
            sign_ups.MAILS_PER_HOUR,
        ),
        "accepts its link at most {} times: the mails of {} allow {} guesses, as many as the sign-in": (
            sign_ups.MAX_LINK_USES,
            3600,
            sign_ups.MAILS_PER_HOUR * sign_ups.MAX_LINK_USES,
        ),
        "at least {} characters here": customers_requests.MIN_PASSWORD_LENGTH,
        "an id into a policy only if it is {} to {} of": (
            in_file("functions/customers/customers/domain/access.py", "[A-Za-z0-9-]{{},64}"),
            in_file("functions/customers/customers/domain/access.py", "[A-Za-z0-9-]{1,{}}"),
        ),
        "A confirmation makes {} calls": "the topic, the sequence, the identity provider and both platforms",
        "from Parameter Store for up to {}": max(MAX_AGE_SECONDS),
        "may be cached for {}": CACHED,
        "makes its {} look-ups once per session and minute": 2
        + calls("view a profile", "customers", "dynamodb:GetItem"),
    },
    "docs/set-pieces/customer-migration.md": {
        "{} attempts, {} and {} apart": (migration_workflow.NOT_FOUND_RECEIVES, *FIRST_WAITS[:2]),
        "UNAVAILABLE | {} receives used up": receives("customer-migration-migrations"),
        "crashed holder expires after {}": migration_repository.LEASE_SECONDS,
        "check size ({})": migration_domain.MAX_BYTES,
        "composes the customer again, in {} attempts at most": migration_workflow.WRITE_ATTEMPTS,
        "makes up to {} attempts per call, one after the other, if a platform answers 5xx, but not after a timeout ({})": (
            migration_clients.ATTEMPTS,
            migration_clients.CALL_SECONDS,
        ),
        "the message waits {}, {}, {} ... {}, then {} each, with {} receives in all, which covers an outage of {}": (
            *FIRST_WAITS,
            backoff_seconds(8),
            MOST,
            receives("customer-migration-migrations"),
            About(waits(receives("customer-migration-migrations"))),
        ),
        "If one call in {} fails": PROBABILITY,
        "0.2³ = {}, one of {} calls with {}, and {} receives in a row": (
            PROBABILITY,
            PROBABILITY,
            PROBABILITY,
            receives("customer-migration-migrations"),
        ),
        "of {} customers none reaches": PROBABILITY,
        "MaximumConcurrency {} with batches of {}": (
            at_once("customer-migration-migrate-customer"),
            consumer("customer-migration-migrate-customer")["BatchSize"],
        ),
        "2 GET and 1 PUT, {} `UpdateItem`; a repeat: 2 GET, {} `UpdateItem`": (MIGRATION_WRITES, MIGRATION_WRITES),
        "each message up to {} times, in random order, and {} errors": ("the test", "the test"),
        "age over {}": threshold("customer-migration-migrations-age"),
    },
    "docs/set-pieces/data-sync.md": {
        "404 | deferred {} times ({} in all)": (
            sync_domain.MAX_RECEIVES_OF_UNKNOWN_CUSTOMER - 1,
            waits(sync_domain.MAX_RECEIVES_OF_UNKNOWN_CUSTOMER),
        ),
        "no response in {} | deferred for {}, {}, {} ... {}; dead letter after {} receives, that is after {}": (
            sync_clients.CALL_SECONDS,
            *FIRST_WAITS,
            MOST,
            receives("data-sync-customer"),
            About(waits(receives("data-sync-customer"))),
        ),
        "at most {} batches of {} to a platform": (
            at_once("data-sync-sync-vip"),
            consumer("data-sync-sync-vip")["BatchSize"],
        ),
        "Parameter Store again after up to {}": max(MAX_AGE_SECONDS),
        "(older than {})": threshold("data-sync-vip-age"),
    },
    "docs/set-pieces/event-relay.md": {
        "again up to {} times and then leaves": events.MAX_TRIES - 1,
        "sent twice within {} is one message": FIFO_WINDOW,
        "a run ends after {} at the latest (timeout {})": (
            timeout("event-relay-relay-events") - BATCH_SECONDS,
            timeout("event-relay-relay-events"),
        ),
        "asynchronous invocation for up to {})": resource(
            "event-relay", "Schedule", "Target", "RetryPolicy", "MaximumEventAgeInSeconds"
        ),
        "is in flight ({})": queue("event-relay-updates.fifo")["VisibilityTimeout"],
        "with the initial quota of {} would": "AWS: concurrent executions of a new account",
        "{} per {} updates of different orders": (
            "receive, PutEvents and delete",
            relay_clients.BATCH_SIZE,
        ),
        "one receive ({} long poll)": relay_clients.WAIT_SECONDS,
        "Latency: up to {} with `schedule`, about {} with `fifo`": (MINUTE, "an estimate"),
        "`-age` ({})": threshold("event-relay-updates-age"),
        "{} messages a minute use one of their {} receives": (
            relay_clients.BATCH_SIZE,
            receives("event-relay-updates.fifo"),
        ),
        "{} FIFO requests per batch of {} updates": ("receive and delete", relay_clients.BATCH_SIZE),
        "FIFO queue ──({})──> relay-events": schedule("event-relay", "Schedule"),
        "invokes `relay-events` {};": schedule("event-relay", "Schedule"),
        "one more per minute, and the events; a schedule {} is {} invocations a month": (
            schedule("event-relay", "Schedule"),
            About(30.4 * DAY / schedule("event-relay", "Schedule")),
        ),
    },
}
