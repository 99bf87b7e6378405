"""Numbers of the pages of feeds, events of producers, redirects, sitemaps and the storefront."""

from app import admin_pages, checkout_pages, main, pages, product_names
from feeds.clients import links, records_queue, uploads
from feeds.domain import outcomes, reader
from feeds.handlers import transform_feed, update_platform
from feeds.repository import record_outcomes
from feeds.workflow import conclusion, segments
from ingestion.repository import counts
from local.emulator import firehose
from redirects import workflow as redirects_workflow
from redirects.domain import compiler
from setpieces import batches
from setpieces.backoff import backoff_seconds
from sitemaps.domain import checks, files, runs
from sitemaps.handlers import clean_up
from tests.contract.documented.sources import (
    About,
    Facts,
    evaluated,
    in_file,
    nested,
    parameter,
    queue,
    resource,
    retries,
    schedule,
    state_machine,
    threshold,
    timeout,
    web_acls,
    writes,
)
from tests.contract.quantities import DAY

FIREHOSE = "AWS: quotas of a stream, https://docs.aws.amazon.com/firehose/latest/dev/limits.html"
FIREHOSE_PRICE = "AWS: Firehose rounds each record up to 5 KB"
LOOP = "AWS: Lambda ends a recursive loop after 16 invocations"
PROTOCOL = "https://www.sitemaps.org/protocol.html"
PROBE_SECONDS = schedule("feed-pipeline", "ProbePlatformFunctionEveryMinute")
UNKNOWN_SECONDS = int(redirects_workflow.CACHE_UNKNOWN.rpartition("=")[2])
FIRST_WAITS = (backoff_seconds(1), backoff_seconds(2))
MOST = backoff_seconds(20)

FACTS: Facts = {
    "docs/set-pieces/feeds.md": {
        "{} ──> conclude-feeds": schedule("feeds", "ConcludeFeedsFunctionEveryMinute"),
        "counts open feeds {} and stores": schedule("feeds", "ConcludeFeedsFunctionEveryMinute"),
        "the manifest is rewritten {}": conclusion.RECOUNT_AFTER.total_seconds(),
        "is valid for {}. Clients": links.UPLOAD_SECONDS,
        "has an item for each {} records of a run": record_outcomes.CHUNK,
        "a feed of {} records takes {} `BatchGetItem`": (
            "an example",
            100_000 / record_outcomes.CHUNK / batches.MOST_READS,
        ),
        "GET counts feeds of up to {} records itself": conclusion.MAX_COUNTED_IN_REQUEST,
        "can be redriven ({})": conclusion.DEAD_LETTER_RETENTION.total_seconds(),
        "to EventBridge up to {} after its configuration": "AWS: delay of a bucket's first notifications",
    },
    "docs/set-pieces/feed-pipeline.md": {
        "The template is nested {} times": len(nested("feed-pipeline")),
        "probe-platform, {}, while": PROBE_SECONDS,
        "{} `probe-platform` sends one message": PROBE_SECONDS,
        "or is larger than {};": reader.MAX_RECORD_BYTES,
        "more than {} without a record": reader.MAX_BYTES_BETWEEN_RECORDS,
        "more than {} rejected records": segments.MAX_REJECTED,
        "deferred {}, {} ... {}; dead letter after {} deliveries": (*FIRST_WAITS, MOST, outcomes.MAX_RECEIVES),
        "dead letter after {} deliveries with `PLATFORM_UNAVAILABLE`": outcomes.MAX_RECEIVES,
        "{} consecutive requests within {} without": (update_platform.THRESHOLD, update_platform.WINDOW_SECONDS),
        "in pieces of {} and decodes it record by record, with at most {} unsent requests of {} records. "
        "When less than {} of the function's {} remain": (
            uploads.PART_BYTES,
            2 * records_queue.SENDERS,
            records_queue.MAX_ENTRIES,
            transform_feed.RESERVE_MS / 1000,
            timeout("feed-pipeline-transform-feed-product"),
        ),
        "{} records are one message batch": records_queue.MAX_ENTRIES,
        "a number of more than {} digits": "a limit of Python's int(), which the C library meets",
        "**Calls per batch of {}:**": records_queue.MAX_ENTRIES,
        "spans two chunks of {})": record_outcomes.CHUNK,
        "one `GetObject` for each {}, {} `UpdateItem` for each invocation": (
            uploads.PART_BYTES,
            writes("process feed records", "feed-pipeline", "feeds/FeedsTable"),
        ),
        "`records-<type>-age` ({})": threshold("feed-pipeline-records-product-age"),
        "{} × the {} invocations that Lambda allows": (timeout("feed-pipeline-transform-feed-product"), LOOP),
        "A message has at most {}, a record {}": (
            "AWS: the size of a message when this was written",
            reader.MAX_RECORD_BYTES,
        ),
        "Records wait for {} at most, their dead letters for fourteen": queue("feed-pipeline-records-product")[
            "MessageRetentionPeriod"
        ],
        "{} records are {} `SendMessageBatch`, {} receives, {} deletes, {} invocations of {} and {} `UpdateItem` of up to {}": (
            "an example",
            *(10_000 / records_queue.MAX_ENTRIES,) * 4,
            "an estimate",
            10_000 / records_queue.MAX_ENTRIES,
            "an estimate",
        ),
        "{} per batch), its share": records_queue.MAX_ENTRIES,
    },
    "docs/set-pieces/ingestion.md": {
        "after {} attempts ──> errors-dlq": "AWS: Lambda retries an asynchronous invocation twice",
        "event over {}, over {} events or {} 413": (FIREHOSE, FIREHOSE, FIREHOSE),
        "that failed {} times is in": "AWS: Lambda retries an asynchronous invocation twice",
        "counters of up to {} (type, hour) pairs": counts.MAX_COUNTS,
        "accepts {} requests, {} records and {} a second ({}, {} and {} in": (FIREHOSE,) * 6,
        "it answers {} or stores": "a status",
        "billed as at least {}": FIREHOSE_PRICE,
        "response must stay below {}": "AWS: Lambda's response; ingestion.domain.records keeps below it",
        "per event or batch of up to {}": FIREHOSE,
        "the stream delivers {} (": firehose.SECONDS,
        "in steps of {} per record": FIREHOSE_PRICE,
    },
    "docs/set-pieces/redirects.md": {
        "is 404, cached for {}": UNKNOWN_SECONDS,
        "may cache it (default {})": compiler.DEFAULT_MAX_AGE,
        "before it is sent ({} generated requests": "examples of the property tests",
        "the same time for {} rules and {}": ("a measurement of make bench", "a measurement of make bench"),
        "404 (cached for {}), 400 for an invalid path, {} for methods": (UNKNOWN_SECONDS, "a status"),
        "`-stale-rules` ({} without a refresh)": threshold("redirects-stale-rules"),
        "**Limits:** {} for request and response": "AWS: a load balancer's request to a function",
        "load balancer; {} rules": in_file("schemas/redirects/rules.json", '"minItems": 1, "maxItems": {}'),
        "below {} exact rules": "an estimate: a key value store has 5 MB",
        "checks the rules every {}": parameter("redirects", "RedirectRefreshSeconds"),
    },
    "docs/set-pieces/sitemaps.md": {
        "schedule (03:00, +{} min)": resource("sitemaps", "Nightly", "FlexibleTimeWindow", "MaximumWindowInMinutes"),
        "plan ⟲ {} pages": files.MAX_URLS,
        "protocol.html): {} URLs and {} a file, locations of less than {} characters": (
            checks.MAX_URLS,
            checks.MAX_BYTES,
            checks.MAX_LOCATION + 1,
        ),
        "releases names are deleted after {}": clean_up.KEPT.total_seconds(),
        "less than {} of the URLs": 100 * checks.LEAST_SHARE,
        "another waits for up to {}": About(retries("generate-sitemaps", "Busy")),
        "holds the lock for {}": runs.UNKNOWN_SECONDS,
        "It retries for {}": resource("sitemaps", "Nightly", "Target", "RetryPolicy", "MaximumEventAgeInSeconds"),
        "`-timed-out-runs` ({}), `-no-run` ({})": (
            state_machine("generate-sitemaps")["TimeoutSeconds"],
            evaluated("sitemaps-no-run"),
        ),
        "**Limits:** {} for listing {} products, {} chunks of {} pages": (
            timeout("sitemaps-plan-pages"),
            "an estimate",
            "AWS: States.ArrayRange",
            files.MAX_URLS,
        ),
        "has at most {} events": "AWS: the history of an execution",
        "about {} state transitions a night": "an estimate: the states of a run that releases",
        "first {} invalidated paths": "AWS: the price of invalidations",
        "per chunk of {} URLs": files.MAX_URLS,
    },
    "docs/set-pieces/storefront.md": {
        "(ECS Fargate, {} tasks or more)": parameter("storefront", "Tasks"),
        "at most {} fields of {} (otherwise 400) and {} in all": (
            pages.MAX_FIELDS,
            pages.MAX_FIELD_BYTES,
            main.MAX_FORM_BYTES,
        ),
        "one file of at most {}": admin_pages.MAX_FEED_BYTES,
        "for {} in the session store": checkout_pages.STORED_SECONDS,
        "from the catalog, {} at once, within {} in all": (
            product_names.MAX_CONCURRENT_CALLS,
            product_names.TOTAL_SECONDS,
        ),
        "| `StorefrontTasks` | {} | minimum number of containers; up to {} by CPU": (
            parameter("storefront", "Tasks"),
            resource("storefront", "Scaling", "MaxCapacity"),
        ),
        "each container at most {} per product": product_names.CACHE_SECONDS,
        "feeds of up to {} through the page": admin_pages.MAX_FEED_BYTES,
        "of the orders service ({})": DAY * parameter("orders", "OrderDays"),
        "**Cost:** {} tasks of a quarter CPU": parameter("storefront", "Tasks"),
        "some {} US dollars a month": "an estimate with the prices of docs/capacity-and-cost.md",
    },
    "docs/set-pieces/edge.md": {
        "priority below {}": parameter("redirects", "ListenerPriority"),
        "| `EdgeRequestsPerFiveMinutes` | {} |": parameter("edge", "RequestsPerFiveMinutes"),
        "about {} US dollars a month": "an estimate with the prices of docs/capacity-and-cost.md",
        "by request and gigabyte, {} web ACLs ({} of them the APIs')": (
            len(web_acls("edge")) + len(web_acls("foundation")),
            len(web_acls("foundation")),
        ),
    },
}
