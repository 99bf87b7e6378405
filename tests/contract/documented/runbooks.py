"""Numbers of the runbooks."""

import inspect

from feeds.domain import outcomes
from login.repository import sign_ins
from model.templates import iter_resources
from orders.clients.sequences import LAST_NUMBER
from orders.domain import sweep_schedule
from tests.contract.documented.sources import (
    About,
    Facts,
    alarm,
    evaluated,
    noncurrent_days,
    parameter,
    queue,
    receives,
    retries,
    roles_that_use,
    state_machine,
    threshold,
    throttle,
    waits,
)
from tests.contract.quantities import DAY, MINUTE
from tools.dead_letters import VISIBILITY_SECONDS, redrive

ARCHIVE = "AWS: the delay of an archive"
VERSIONS = DAY * noncurrent_days("versions", "feeds", "events", "release")

FACTS: Facts = {
    "docs/runbooks/archive-replay.md": {
        "The archive lags by up to {}": ARCHIVE,
        "ended more than {} ago": ARCHIVE,
        "The archive keeps events for {}": DAY * parameter("event-bus", "ArchiveRetentionDays"),
        "Try {} before the whole window": "advice",
        "At most {} replays": "AWS: concurrent replays",
    },
    "docs/runbooks/dead-letters.md": {
        "in `<queue>-dlq` for {}": queue("payments-submitted-dlq")["MessageRetentionPeriod"],
        "hides them for up to {}": VISIBILITY_SECONDS,
        "did not accept the record for {}": About(waits(outcomes.MAX_RECEIVES)),
        "sends back at most {} messages a second": inspect.signature(redrive).parameters["rate"].default,
    },
    "docs/runbooks/foreign-voucher-read.md": {
        "{} functions read or write the vouchers table": roles_that_use("vouchers", "VouchersTable"),
    },
    "docs/runbooks/guessed-passwords.md": {
        "means {} wrong passwords or unknown addresses within {}, twice in a row": (
            threshold("login-refused-sign-ins"),
            alarm("login-refused-sign-ins")["Period"],
        ),
        "to {} failures of one client, and {} of all clients, in {}": (
            parameter("login", "FailuresPerClient"),
            parameter("login", "FailuresPerAddress"),
            sign_ins.WINDOW_SECONDS,
        ),
    },
    "docs/runbooks/identity-mismatch.md": {
        "on the {} platforms": "commerce, rewards and the identity provider",
        "for at most {} (`AuthorizerCacheSeconds`)": parameter("customers", "AuthorizerCacheSeconds"),
    },
    "docs/runbooks/order-numbers.md": {
        "have nine to {} digits": len(str(LAST_NUMBER)),
        "mean that half or {} fifths of": threshold("orders-numbers-scarce") / 20,
        "At {} a second, the API's limit, the first alarm takes {}": (
            throttle("sequences"),
            About(LAST_NUMBER / 2 / throttle("sequences")),
        ),
    },
    "docs/runbooks/python-upgrade.md": {
        "of a runtime {} before": "AWS: the policy of Lambda's runtimes",
    },
    "docs/runbooks/redrive-orders.md": {
        "{} attempts to validate them failed": receives("orders-submit"),
    },
    "docs/runbooks/refused-sitemaps.md": {
        "(`-timed-out-runs` after {})": state_machine("generate-sitemaps")["TimeoutSeconds"],
        "it did not respond for {}": About(retries("generate-sitemaps", "States.ALL")),
        "held the lock for {}": About(retries("generate-sitemaps", "Busy")),
        "or it took {}": state_machine("generate-sitemaps")["TimeoutSeconds"],
        "all versions of an object for {}": VERSIONS,
        "no run succeeded for {}": evaluated("sitemaps-no-run"),
    },
    "docs/runbooks/region-loss.md": {
        "plus {} ([sequences]": "a margin",
        "about {}, plus the copy": "a measurement",
    },
    "docs/runbooks/restore.md": {
        "recovery ({}, to the second)": "AWS: point-in-time recovery",
        "any second of {}": "AWS: point-in-time recovery",
        "any version of {}": VERSIONS,
    },
    "docs/runbooks/teardown.md": {
        "one API in {}": "AWS: API Gateway's control plane",
        "the deletion of the {} keys": len(list(iter_resources("AWS::KMS::Key"))),
        "({} to {})": ("AWS: the waiting period of KMS", "AWS: the waiting period of KMS"),
    },
    "docs/runbooks/undelivered-events.md": {
        "again within {}": MINUTE,
    },
    "docs/runbooks/waiting-work.md": {
        "keeps its messages for {} (records of feeds for {})": (
            queue("orders-submit")["MessageRetentionPeriod"],
            queue("feed-pipeline-records-product")["MessageRetentionPeriod"],
        ),
        "received more than {} times": "AWS: ApproximateAgeOfOldestMessage",
        "after {}, {}, {} ... minutes, then {}": (
            *(parameter("orders", "StuckMinutes") * factor for factor in (1, 2, 4)),
            sweep_schedule.MAX_SECONDS,
        ),
    },
}
