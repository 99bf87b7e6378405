"""Redirects every path for which the load balancer has no other target, by the rules in the bucket."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from redirects.domain.compiler import compile_rules
from redirects.domain.urls import parse_hosts
from redirects.repository import RuleStore, s3_reader
from redirects.requests import parse_redirect_url
from redirects.workflow import redirect_url
from setpieces import observability
from setpieces.aws import client
from setpieces.observability import logger, observed
from setpieces.settings import STAGE, setting

BUCKET = setting("BUCKET_NAME")
RULES_KEY = "rules.json"
STORE = RuleStore(
    s3_reader(client("s3"), BUCKET, RULES_KEY),
    partial(
        compile_rules,
        sites=parse_hosts(setting("SITE_HOSTS")),
        destinations=parse_hosts(setting("DESTINATION_HOSTS")),
    ),
    Path(tempfile.gettempdir()) / f"{BUCKET}.rules",
    float(setting("REFRESH_SECONDS")),
)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    command = parse_redirect_url(event)
    observability.set_correlation_id(command.correlation_id)
    response = redirect_url(command, STORE.load_rules(), show_rules=STAGE != "prod")
    logger.info("answered", extra={"status": response["statusCode"]})
    return response
