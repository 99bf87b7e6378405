"""Any path that the load balancer has no other target for: where it has moved to, by the rules in the content store."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from redirects.domain.paths import hosts
from redirects.domain.rules import compile_rules
from redirects.repository import RuleStore, read_from
from redirects.views import answer, request_of
from setpieces import observability
from setpieces.aws import client
from setpieces.observability import logger, observed
from setpieces.settings import STAGE, setting

BUCKET = setting("BUCKET_NAME")
RULES_KEY = "rules.json"
STORE = RuleStore(
    read_from(client("s3"), BUCKET, RULES_KEY),
    partial(
        compile_rules,
        sites=hosts(setting("SITE_HOSTS")),
        destinations=hosts(setting("DESTINATION_HOSTS")),
    ),
    Path(tempfile.gettempdir()) / f"{BUCKET}.rules",
    float(setting("REFRESH_SECONDS")),
)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    request = request_of(event)
    observability.begin(request.correlation_id)
    response = answer(request, STORE.rules(), name_rules=STAGE != "prod")
    logger.info("answered", extra={"status": response["statusCode"]})
    return response
