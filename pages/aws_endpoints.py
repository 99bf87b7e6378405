"""The endpoints of the AWS services that functions call, out of those of all services.

botocore reads ``endpoints.json``, 1.2 MB, for each session, which is a sixth of a function's cold start. The layer has this
smaller file, which botocore finds first (``setpieces/__init__.py``). Without a region's entry botocore builds its endpoint by
the rule of the partition, so that only entries that differ from the rule are kept. Hosts of FIPS and dual-stack endpoints are
not here: botocore takes them from the rule set of each service.
"""

import json
import re
from pathlib import Path
from typing import Any

from botocore.loaders import create_loader

from model.settings import ROOT

LAYER = ROOT / "functions" / "common" / "setpieces"
FILE = LAYER / "botocore_data" / "endpoints.json"
# The X-Ray SDK creates a client of its own when it is imported.
SDK_SERVICES = ("xray",)


def files() -> dict[Path, str]:
    """{path: content} of the file in the layer."""
    loader = create_loader()
    partitions = loader.load_data("endpoints")["partitions"]
    prefixes = [loader.load_service_model(name, "service-2")["metadata"]["endpointPrefix"] for name in services()]
    document = {
        "generated": "by make generate",
        "version": 3,
        "partitions": [
            partition
            | {
                "regions": {region: {} for region in partition["regions"]},
                "services": {
                    prefix: _special(partition["services"][prefix])
                    for prefix in sorted(prefixes)
                    if prefix in partition["services"]
                },
            }
            for partition in partitions
        ],
    }
    return {FILE: json.dumps(document, indent=1) + "\n"}


def services() -> list[str]:
    """The services of ``setpieces.aws.client``, and those of the SDKs that functions use, by their names in boto3."""
    return sorted([*SDK_SERVICES, *re.findall(r'service: Literal\["(\w+)"\]', (LAYER / "aws_clients.py").read_text())])


def _special(service: dict[str, Any]) -> dict[str, Any]:
    """A service with the entries that botocore cannot derive."""
    entries = {
        name: {key: value for key, value in entry.items() if key != "variants"}
        for name, entry in service["endpoints"].items()
    }
    return service | {"endpoints": {name: entry for name, entry in entries.items() if entry}}
