"""Numbers of the generators of the page of capacity and cost."""

import json

from event_relay.workflow import BATCH_SECONDS
from model.settings import ROOT
from orders.handlers.retry_stuck_orders import LIMIT
from setpieces.parameters import MAX_AGE_SECONDS
from tax.repository.circuit import FRESH_SECONDS
from tests.contract.documented.sources import (
    About,
    Facts,
    at_once,
    parameter,
    queue,
    receives,
    resource,
    schedule,
    schema,
    threshold,
    timeout,
    waits,
    writes,
)
from tests.contract.quantities import MINUTE
from vouchers.domain.chunks import CHUNK_SIZE
from vouchers.workflow import sweep

BATCH = "the operation of bench/operations.json that the limit counts"
UNIT = "the unit of the table"
SIMULATION = "bench/saturation.py"


def quota(name: str) -> float:
    """An entry of ``bench/quotas.json``."""
    return float(json.loads((ROOT / "bench" / "quotas.json").read_text())["quotas"][name]["value"])


FACTS: Facts = {
    "bench/capacity-and-cost.md.in": {
        "US dollars for {} of each": UNIT,
        "at most {} containers": resource("storefront", "Scaling", "MaxCapacity"),
        "Above {} the limit": "a share",
        "so {} write units a second were {} orders": (
            quota("dynamodb_partition_writes"),
            About(quota("dynamodb_partition_writes") / writes("place an order", "orders", "orders/Table/in-progress")),
        ),
        "allows {} reads a second per account": quota("ssm_get_parameter"),
        "cache parameters for up to {},": max(MAX_AGE_SECONDS),
        "takes {} and {} calls a second": (quota("firehose_bytes"), quota("firehose_requests")),
        "dollars of {} polls": UNIT,
        "wait for more than {} are queued again, at most {} a minute, which is {} a second": (
            MINUTE * parameter("orders", "StuckMinutes"),
            LIMIT,
            About(LIMIT / MINUTE),
        ),
        "{} tries with back-off, for {}.": (SIMULATION, SIMULATION),
        "the average, and for {} $peak_factor": SIMULATION,
        "queue's retention ({})": queue("orders-submit")["MessageRetentionPeriod"],
        "The age alarm goes off after {}": threshold("orders-submit-age"),
        "starts up to {} instances every {} for each function, and runs {} in all": (
            10 * quota("lambda_scaling"),
            "AWS: the scaling rate of Lambda",
            quota("lambda_concurrency"),
        ),
    },
    "bench/limits.py": {
        "values of Parameter Store for {} (setpieces.parameters), and the state of the tax circuit for {}": (
            max(MAX_AGE_SECONDS),
            FRESH_SECONDS,
        ),
        "it works {} of {}.": (
            timeout("event-relay-relay-events") - BATCH_SECONDS,
            schedule("event-relay", "Schedule"),
        ),
        "one write for {} numbers": schema("sequences", "Lease")["properties"]["count"]["maximum"],
        "callers that lease {}, and drop the rest when they end, would raise the limit to {} orders": (
            "an example",
            "the example times a partition's writes",
        ),
        '"{} keys, by the last digit': "digits of the decimal system",
        "per feed of {} records": BATCH,
        "instances ÷ {}, because": FRESH_SECONDS,
        "delivers later, for {};": resource(
            "payments", "SubmittedRule", "Targets", 0, "RetryPolicy", "MaximumEventAgeInSeconds"
        ),
        "one per batch of {} vouchers": CHUNK_SIZE,
        "the sweeper starts it within {}": (sweep.WITHOUT_EXECUTION_MINUTES + 1) * MINUTE,
        "At most {} notifiers, retries for {}, then": (
            at_once("vouchers-notify-requester"),
            About(waits(receives("vouchers-notifications"))),
        ),
        '"{} parameters × (new instances/s + instances ÷ {})"': ("an average of the functions", max(MAX_AGE_SECONDS)),
        "for four to {}, so requests": max(MAX_AGE_SECONDS),
        "one per batch of {} events": BATCH,
        "s of {}, {RELAY_BATCH}": MINUTE,
        "invokes up to {} functions at once": at_once("event-relay-relay-batch"),
    },
}
