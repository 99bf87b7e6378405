"""Numbers in the data of the page of differences between the local cloud and AWS."""

from local.emulator import firehose
from local.front_door.http_protocol import MAX_HEAD
from tests.contract.documented.sources import Facts, in_file, parameter

PROTOCOL = "local/front_door/http_protocol.py"
API_GATEWAY = "AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"

FACTS: Facts = {
    "pages/parity.yaml": {
        "real RFC {} cache": "a standard",
        "{} for API Gateway, {} for CloudFront": (API_GATEWAY, "AWS: quotas of CloudFront"),
        "{} for all (431); {} for a head, {} for a body": (
            MAX_HEAD,
            in_file(PROTOCOL, '"head": {}, "body"'),
            in_file(PROTOCOL, '"body": {}}'),
        ),
        "get-authorizers` shows {}": parameter("customers", "AuthorizerCacheSeconds"),
        "runs on 3.11 to {}": "a version",
        "removes them within {} or so": "the interval of the emulator",
        "it delivers {}, regardless": firehose.SECONDS,
        "below Lambda''s {}": "AWS: Lambda's response",
        "number of {} responses": "a status",
    },
}
