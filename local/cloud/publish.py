"""After a local deployment: published addresses lead to the front door."""

import re
from typing import Any

from local import emulator_client
from local.settings import FRONT_DOOR
from model.settings import STAGE

_EXECUTE_API = re.compile(r"https://(?P<api>[a-z0-9]+)\.execute-api\.[^/]+/[^/]+")


def resources() -> list[dict[str, Any]]:
    """Every deployed resource, see ``local.emulator.server``."""
    return emulator_client.request("GET", "/_setpieces/resources").raise_for_status().json()


def local_addresses(ssm: Any, deployed: list[dict[str, Any]]) -> dict[str, str]:
    """Point published execute-api URLs and the site's at the front door; returns what was changed, by parameter name.

    On AWS an API answers at its execute-api host; here it answers at the base path of its service, and pages at the root.
    """
    prefix = f"setpieces-{STAGE}-"
    services = {
        resource["physical_id"]: resource["properties"]["Name"].removeprefix(prefix)
        for resource in deployed
        if resource["type"] == "AWS::ApiGateway::RestApi"
    }
    changed = {}
    for resource in deployed:
        if resource["type"] != "AWS::SSM::Parameter":
            continue
        value = str(resource["properties"]["Value"])
        name = resource["properties"]["Name"]
        if name == f"/setpieces/{STAGE}/edge/site-url":
            local = FRONT_DOOR
        else:
            local = _EXECUTE_API.sub(lambda match: f"{FRONT_DOOR}/{services[match['api']]}", value)
        if local != value:
            ssm.put_parameter(Name=name, Value=local, Type="String", Overwrite=True)
            changed[name] = local
    return changed
