"""Numbers of README, CONTRIBUTING, the decisions and the pages of what all services share."""

from bench.edit_loop import EDITS
from data_sync import domain as sync_domain
from operations import repository as operations_repository
from partners.domain import faults, pages, schemas
from partners.simulators import ledger
from partners.simulators.payments import TOKENS
from partners.simulators.stock import MAX_LINES
from partners.workflow import ATTEMPTS_SECONDS, MAX_ATTEMPTS
from setpieces import parameters
from setpieces.backoff import backoff_seconds
from tests.contract.documented.sources import (
    About,
    Facts,
    calls,
    consumer,
    external_systems,
    in_file,
    independent_apis,
    nested,
    parameter,
    resource,
    rules,
    schedule,
    web_acls,
)
from tests.contract.quantities import DAY, MINUTE
from tools.samples import PRODUCTS
from vouchers import requests

WAITS = (backoff_seconds(1), backoff_seconds(2), backoff_seconds(20))
EXAMPLE = "an example"
FUZZ = "tests/abuse/test_fuzz.py"
CAMPAIGN = "tests/resilience/test_delivery_campaign.py"
CLOCK_SKEW = in_file(CAMPAIGN, '"clock_skew_seconds": {}}')

FACTS: Facts = {
    "docs/set-pieces/partners.md": {
        "The shop calls {} external systems": external_systems(),
        "`limit` {} to {}, default {}": (1, pages.MAX_LIMIT, pages.DEFAULT_LIMIT),
        "responds after {} (a repeat": TOKENS["tok_slow"][1],
        "`latency_ms` (up to {})": faults.MAX_LATENCY_MS,
        "`{entries: [{...the document..., key, system, operation, effect, recorded_at}], next_page_token?}`, {} on a page": (
            ledger.DEFAULT_LIMIT
        ),
        "lines or none, at most {}": MAX_LINES,
        "After {} conflicts or {}": (MAX_ATTEMPTS, ATTEMPTS_SECONDS),
        "Bodies up to {}, ids of up to {} of": (schemas.MAX_BODY_BYTES, schemas.MAX_ID_LENGTH),
        "creates {} products": PRODUCTS,
    },
    "docs/set-pieces/audit.md": {
        "delivery takes up to {}, the log about five": "AWS: CloudTrail",
        "charged per {}": "AWS: the unit of the price",
    },
    "docs/set-pieces/foundation.md": {
        "{} web ACLs with {} rules": (
            len(web_acls("foundation")),
            rules("foundation"),
        ),
    },
    "docs/set-pieces/operations.md": {
        "at most {} of the last day": operations_repository.MAX_EVENTS,
        "up to {} old": "AWS: the delay of SQS's counts",
        "log of the last minute, then of {}, then of {}, at most {} events each time": (
            operations_repository.WINDOWS_MINUTES[1] * MINUTE,
            operations_repository.WINDOWS_MINUTES[2] * MINUTE,
            operations_repository.MAX_LINES_PER_WINDOW,
        ),
        "some {} SQS requests per view": About(
            calls("view the live map", "operations", "sqs:GetQueueAttributes", "sqs:ListQueues")
        ),
    },
    "docs/set-pieces/delivery.md": {
        "code of {}, so that": DAY
        * resource("delivery", "Artifacts", "LifecycleConfiguration", "Rules", 0, "ExpirationInDays"),
        "It needs {} environments": "the stages dev, test and prod",
        "new accounts often have {};": "AWS: concurrent executions of a new account",
        "seeds the {} sample products": PRODUCTS,
        "tests wait {} for a flow": in_file(
            "tools/client.py", 'FLOW_SECONDS = 120 if current_stage() == "local" else {}'
        ),
        "buffers twice for {} and": parameter("ingestion", "BufferSeconds"),
        "The role's session lasts {}": resource("delivery", "IntegrationTestRole", "MaxSessionDuration"),
        "concurrency (about {})": "AWS: Service Quotas",
        "an API every {}, a deployment of one every {}": (
            "AWS: API Gateway's control plane",
            "AWS: API Gateway's control plane",
        ),
        "at most {} of the APIs start at once": independent_apis("login"),
    },
    "README.md": {
        "Hub-and-spoke event bus | {} spokes": len(sync_domain.SPOKES),
        "identity lookup | {} checks": "the rows of a table of the page of customers",
        "one template nested {} times": len(nested("feed-pipeline")),
        "on the bus, {} or at once": schedule("event-relay", "Schedule"),
        "at {}, {} and {} times the load": (1, 100, 10_000),
        "ok basket {}": EXAMPLE,
        "{} codes, unique by construction": requests.MAX_COUNT,
    },
    "CONTRIBUTING.md": {
        "From nothing to a request in {}:": "a measurement",
        "one line of up to {} columns": "a convention",
        "measures {} edits": len(EDITS),
        "visibility of at least {} times the function's timeout": "tests/templates/test_resources.py checks it",
        "with {} for an instance that has read no address": parameters.FIRST_TRIES * parameters.WAIT_SECONDS,
        "interleaves two or {} functions": "tests/interleavings",
        "with up to {} switches": "tests/interleavings",
        "`pytest -n {} tests": "an option",
    },
    "docs/abuse.md": {
        "part of make test, about {}": "a measurement",
        "SETPIECES_TORTURE=1 # {} times as many": in_file(FUZZ, "EXAMPLES = {} if LONG")
        / in_file(FUZZ, "if LONG else {}"),
    },
    "docs/decisions/0004-shipping-goes-through-two-queues.md": {
        "same order within {}": "AWS: SQS drops a repeated message of a FIFO queue within five minutes",
        "in batches of {}": consumer("shipping-queue-shipment")["BatchSize"],
    },
    "docs/decisions/0007-a-sign-up-is-confirmed-by-mail.md": {
        "receive a {} that": "a status",
    },
    "docs/events.md": {
        "({}, {} ... {} between deliveries": WAITS,
    },
    "docs/parity.md": {
        "There are {} kinds": "the list below it",
    },
    "docs/patterns.md": {
        "more than {} a second": "AWS: a DynamoDB partition writes 1,000 units a second",
    },
    "docs/resilience.md": {
        "functions' clocks are {} off": CLOCK_SKEW,
        "two or {} functions interleave": "tests/interleavings",
        "at most {} faults in one run, seconds apart, because {} attempts tolerate {} faults": (
            "the plan of the campaign",
            "AWS: Lambda retries an asynchronous invocation twice",
            "the plan of the campaign",
        ),
        "each up to {} late": in_file(CAMPAIGN, '"late_seconds": {}, "clock'),
        "is {} fast or slow": CLOCK_SKEW,
        "signatures from {} on": "AWS: the clock skew that Signature Version 4 allows",
    },
}
