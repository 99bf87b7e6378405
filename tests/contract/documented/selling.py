"""Numbers of the pages from the catalogue to the shipment."""

from basket import clients as basket_clients
from basket import domain as basket_domain
from basket import repository as basket_repository
from basket import workflow as basket_workflow
from catalog import clients as catalog_clients
from catalog import domain as catalog_domain
from catalog import repository as catalog_repository
from catalog import requests as catalog_requests
from orders.clients import commerce
from orders.clients.sequences import LAST_NUMBER
from orders.domain import sweep_schedule
from orders.domain.locks import RENEWAL_SECONDS, RESERVATION_SECONDS
from orders.handlers import retry_stuck_orders
from orders.workflow import payment_results
from partners.simulators.payments import TOKENS
from payments.clients import provider
from payments.workflow import FIRST_SETTLED_DELIVERY
from setpieces.backoff import backoff_seconds
from setpieces.parameters import MAX_AGE_SECONDS
from shipping import clients as shipping_clients
from tax import clients as tax_clients
from tax.domain import circuit
from tax.repository.circuit import FRESH_SECONDS as CIRCUIT_SECONDS
from tests.contract.documented.sources import (
    About,
    Facts,
    alarm,
    at_once,
    calls,
    consumer,
    evaluated,
    functions,
    in_file,
    parameter,
    queue,
    receives,
    resource,
    schedule,
    schema,
    threshold,
    throttle,
    timeout,
    waits,
    writes,
)

PARTITION = "AWS: a DynamoDB partition writes 1,000 units a second"
POLLING = "schemas/api/orders.yaml"
FIFO_WINDOW = "AWS: SQS drops a repeated message of a FIFO queue within five minutes"
FIRST_WAITS = (backoff_seconds(1), backoff_seconds(2), backoff_seconds(3))
MOST = backoff_seconds(20)

FACTS: Facts = {
    "docs/set-pieces/basket.md": {
        "──({} at most)──> commerce platform": basket_clients.CALL_SECONDS,
        "insufficient stock, {} lines": basket_domain.MAX_LINES,
        "more than {}, or than the platform allows": basket_domain.MAX_QUANTITY,
        "amount above {} minor units": basket_domain.MAX_AMOUNT,
        "remembers its last {} closed orders": basket_domain.MAX_CLOSED_ORDERS,
        "clients choose ids at random: {} to {} letters": (
            in_file("schemas/api/basket.yaml", "[A-Za-z0-9_-]{{},64}"),
            in_file("schemas/api/basket.yaml", "[A-Za-z0-9_-]{22,{}}"),
        ),
        "keeps the last {} responses": basket_workflow.MAX_RECORDED_RESPONSES,
        "from Parameter Store for up to {}": max(MAX_AGE_SECONDS),
        "After {} conflicts": basket_repository.MAX_TRIES,
        "deadline for the platform is {}, or the function's remaining time less {}": (
            basket_clients.CALL_SECONDS,
            basket_clients.WRITE_SECONDS,
        ),
        "A basket expires {} after": basket_domain.LIFETIME_SECONDS,
        "{} functions with a timeout of {}": (len(functions("basket")), timeout("basket-add-item")),
        "Limits: {} per item ({} lines and {} answers are below {}), {} writes a second": (
            "AWS: the size of an item",
            basket_domain.MAX_LINES,
            basket_workflow.MAX_RECORDED_RESPONSES,
            "an estimate",
            PARTITION,
        ),
        "function of about {}": "an estimate",
    },
    "docs/set-pieces/catalog.md": {
        "(cache of the process, {})": catalog_domain.FRESH_SECONDS,
        "`query` over {} characters": catalog_requests.MAX_QUERY_LENGTH,
        "platform slow ({})": catalog_clients.CALL_SECONDS,
        "`Cache-Control: public, max-age={}`": catalog_domain.FRESH_SECONDS,
        "caches the last {} responses for {} each": (catalog_repository.MAX_ENTRIES, catalog_domain.FRESH_SECONDS),
        "a copy that is up to {} old, and only one request in {}": (
            catalog_repository.STALE_SECONDS,
            catalog_repository.RETRY_SECONDS,
        ),
        "states up to {} apart, or {} during an outage": (
            catalog_domain.FRESH_SECONDS,
            catalog_repository.STALE_SECONDS,
        ),
        "does not add another {}": catalog_domain.FRESH_SECONDS,
        "request throttling at {}/s": throttle("catalog"),
        "timeout of {} each": timeout("catalog-show-product"),
        "more than {} of the requests fail in {} of {}": (
            100 * threshold("catalog-5xx"),
            alarm("catalog-5xx")["DatapointsToAlarm"],
            evaluated("catalog-5xx"),
        ),
    },
    "docs/set-pieces/orders.md": {
        "polling interval: {} for the first {}, then {}, after {} {}, after {} {}": (
            in_file(POLLING, '#set($wait = "{}") #if'),
            in_file(POLLING, '#elseif($age >= {}) #set($wait = "2")'),
            in_file(POLLING, '#elseif($age >= 5) #set($wait = "{}")'),
            in_file(POLLING, '#elseif($age >= {}) #set($wait = "5")'),
            in_file(POLLING, '#elseif($age >= 20) #set($wait = "{}")'),
            in_file(POLLING, "#if($age >= {})"),
            in_file(POLLING, '#if($age >= 60) #set($wait = "{}")'),
        ),
        "**Sweeper** ({}): queues": schedule("orders", "SweepSchedule"),
        "at most {} at a time; after that in {}, {}, {} ... minutes, at most {},": (
            retry_stuck_orders.LIMIT,
            *(parameter("orders", "StuckMinutes") * factor for factor in (1, 2, 4)),
            sweep_schedule.MAX_SECONDS,
        ),
        "ignores an order for {} while payments": sweep_schedule.PAYMENT_SECONDS,
        "with {} keys by the last digit of the number: an order writes to it {} times and a key allows {} writes a second, "
        "which is sufficient for {} new orders": (
            "digits of the decimal system",
            writes("place an order", "orders", "orders/Table/in-progress"),
            PARTITION,
            About(10 * 1000 / writes("place an order", "orders", "orders/Table/in-progress")),
        ),
        "after {} receives, {}, an order that is still being validated": (
            receives("orders-submit"),
            About(waits(receives("orders-submit"))),
        ),
        "after {} receives the event becomes a dead letter": payment_results.RECORD_RECEIVES,
        "UpdateItem {}, PutEvents, TransactWriteItems | payment provider": (
            calls("place an order", "orders", "dynamodb:UpdateItem") - 1
        ),
        "per order {} transactions, {} writes, one message and {} events": (
            "the order, and its close",
            calls("place an order", "orders", "dynamodb:UpdateItem"),
            calls("place an order", "orders", "events:PutEvents"),
        ),
        "Reservations end by themselves after {};": RESERVATION_SECONDS,
        "waits for an operator are renewed every {}": RENEWAL_SECONDS,
        "without a response of the platform after {}": commerce.PRODUCTS_SECONDS,
        "{} functions with a role each": len(functions("orders")),
    },
    "docs/set-pieces/payments.md": {
        "then the queue waits {}, {}, {} ... {}: {} deliveries in all": (
            *FIRST_WAITS,
            About(backoff_seconds(int(receives("payments-submitted")) - 1)),
            receives("payments-submitted"),
        ),
        "responds after {}, times out after {}": (TOKENS["tok_slow"][1], provider.CHARGE_SECONDS),
        "until the seventh ({})": About(waits(FIRST_SETTLED_DELIVERY)),
        "dead letter after {} deliveries": receives("payments-submitted"),
        "a crash | retried after {}": queue("payments-submitted")["VisibilityTimeout"],
        "has the whole {}; at most {} at a time": (
            timeout("payments-authorize-payment"),
            at_once("payments-authorize-payment"),
        ),
        "the provider is down for {}": threshold("payments-submitted-age"),
    },
    "docs/set-pieces/shipping.md": {
        "repeated events within {}": FIFO_WINDOW,
        "platform or SAP slow ({}, {})": (shipping_clients.GET_SECONDS, shipping_clients.PUT_SECONDS),
        "retried after {}, {}, {} ... {}; dead letter after {} receives, {} |": (
            *FIRST_WAITS,
            MOST,
            receives("shipping-shipments.fifo"),
            About(waits(receives("shipping-shipments.fifo"))),
        ),
        "a crash | retried after {}": queue("shipping-shipments.fifo")["VisibilityTimeout"],
        "does not know the order | retried after {}, {} and {}, then": FIRST_WAITS,
        "batches of {}, at most {} at a time": (
            consumer("shipping-queue-shipment")["BatchSize"],
            at_once("shipping-queue-shipment"),
        ),
        "has the whole {}; at most {} at a time protects SAP": (
            timeout("shipping-ship-order"),
            at_once("shipping-ship-order"),
        ),
        "waiting longer than {}": threshold("shipping-shipments-age"),
        "cached for up to {}": max(MAX_AGE_SECONDS),
    },
    "docs/set-pieces/tax.md": {
        "──({} at most)──> tax system": tax_clients.QUOTE_SECONDS,
        "refresh-rates ──({})──> tax system": tax_clients.RATES_SECONDS,
        "fewer than {} failures in a row within {}": (circuit.THRESHOLD, circuit.WINDOW_SECONDS),
        "open | {}, `open_until` in the future": circuit.THRESHOLD,
        "half-open | {}, `open_until` in the past": circuit.THRESHOLD,
        "The {} are a total deadline": tax_clients.QUOTE_SECONDS,
        "GetItem at most every {} per instance": CIRCUIT_SECONDS,
        "{} ──> refresh-rates": schedule("tax", "RefreshSchedule"),
        "`setpieces-<stage>-tax-refresh-rates` | {}, {} retries": (
            schedule("tax", "RefreshSchedule"),
            resource("tax", "RefreshSchedule", "Target", "RetryPolicy", "MaximumRetryAttempts"),
        ),
        "quotations from cached rates for {}": evaluated("tax-fallback"),
        "not been refreshed for {}": evaluated("tax-refresh-rates"),
        "a read of the circuit every {} per instance": CIRCUIT_SECONDS,
    },
    "docs/set-pieces/sequences.md": {
        "`next` has {} digits": len(str(LAST_NUMBER)),
        "that of a lease has {}": len(str(int(in_file("schemas/api/sequences.yaml", "#set($lastFree = {} - $count)")))),
        "allows about {} writes a second": PARTITION,
        "a lease of {} costs one write": schema("sequences", "Lease")["properties"]["count"]["maximum"],
        "more than {} a second from one counter": PARTITION,
    },
}
