"""Changes the addresses that the deployed shop publishes to those of the front door."""

import re
from typing import Any

from local.settings import FRONT_DOOR
from model.settings import STAGE

_EXECUTE_API = re.compile(r"https://(?P<api>[a-z0-9]+)\.execute-api\.[^/]+/[^/]+")


def point_to_front_door(ssm: Any, resources: list[dict[str, Any]]) -> dict[str, str]:
    """Replace execute-api URLs and the site's URL in parameters; returns the new values by parameter name.

    On AWS an API has its execute-api host. Here it has the base path of its service, and pages are at the root.
    """
    prefix = f"setpieces-{STAGE}-"
    services = {
        resource["physical_id"]: resource["properties"]["Name"].removeprefix(prefix)
        for resource in resources
        if resource["type"] == "AWS::ApiGateway::RestApi"
    }
    changes = {}
    for resource in resources:
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
            changes[name] = local
    return changes
