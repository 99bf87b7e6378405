"""Numbers in descriptions of API documents and templates, and on pages of the storefront."""

from catalog.domain import FRESH_SECONDS
from customers import requests as customers_requests
from customers.domain import sign_ups
from feeds.clients import links as feed_links
from login.repository import sign_ins
from operations.repository import MAX_EVENTS
from tests.contract.documented.sources import Facts, schedule
from vouchers import requests as vouchers_requests
from vouchers.domain import chunks, links

FIREHOSE = "AWS: quotas of a stream, https://docs.aws.amazon.com/firehose/latest/dev/limits.html"
RATE_WINDOW = "AWS: the window of a rate rule, which the parameter's name has"
NIGHT = "the hours at which clocks change"

FACTS: Facts = {
    "schemas/api/catalog.yaml": {"cached for {} and": FRESH_SECONDS},
    "schemas/api/feeds.yaml": {"gzip; valid for {}.": feed_links.DOWNLOAD_SECONDS},
    "schemas/api/ingestion.yaml": {
        "Store up to {} events": FIREHOSE,
        "is larger than {}": FIREHOSE,
        "or all are larger than {}": FIREHOSE,
    },
    "schemas/api/operations.yaml": {"At most {} events of the last day": MAX_EVENTS},
    "schemas/api/vouchers.yaml": {
        "Batches of one to {} unique": vouchers_requests.MAX_COUNT,
        "to the file; valid for {}.": links.EXCHANGED_LINK_SECONDS,
        "Campaign, up to {} characters": vouchers_requests.MAX_CAMPAIGN,
    },
    "storefront/templates/sign_up_confirm.html": {"at least {} characters": customers_requests.MIN_PASSWORD_LENGTH},
    "storefront/templates/sign_up_mailed.html": {"Open it within {} and": sign_ups.LINK_SECONDS},
    "templates/event-relay.yaml": {
        "drains the queue {},": schedule("event-relay", "Schedule"),
        "Invokes the relay {}.": schedule("event-relay", "Schedule"),
    },
    "templates/tax.yaml": {"the cached rates {}.": schedule("tax", "RefreshSchedule")},
    "templates/login.yaml": {"one e-mail address in {}": sign_ins.WINDOW_SECONDS},
    "templates/sitemaps.yaml": {"not between two and {} where": NIGHT},
    "templates/shop.yaml": {
        "not between two and {} where": NIGHT,
        "in {}.": RATE_WINDOW,
        "drains the relay's queue {},": schedule("event-relay", "Schedule"),
        "one e-mail address in {}": sign_ins.WINDOW_SECONDS,
        "at most {}, the lifetime": links.MAX_LINK_SECONDS,
    },
    "templates/edge.yaml": {"may send in {}": RATE_WINDOW},
    "templates/vouchers.yaml": {
        "at most {}, the lifetime": links.MAX_LINK_SECONDS,
        "generates one to {} unique": vouchers_requests.MAX_COUNT,
        "Generates a chunk of {} vouchers": chunks.CHUNK_SIZE,
    },
}
