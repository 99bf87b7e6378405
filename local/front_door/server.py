"""The front door: all deployed APIs at one address, ``http://127.0.0.1:8080/<service>/v1/...``, as on the custom domain.

    python -m local.front_door.server --port 8080 --stage local

``apigw_executor`` runs the requests of an API. Paths of no service go to the deployed CDN. It has no logic of any service.
Routes of its own:

``GET /_front_door/apis``       lists the APIs
``GET /_front_door/reference``  is a page to read and try the APIs
``GET /healthz``                responds once the server runs
``POST /_front_door/reload``    reads the deployment again; an unknown service causes that, too, at most once a second
``PUT /_front_door/throttles``  ``{"share": 0.01}`` scales every deployed throttle to a hundredth, for load that is as much
                                smaller than in a region (``bench/black_friday.py``)
"""

from __future__ import annotations

import argparse
import logging
import os
from functools import partial
from typing import Any

import boto3
import uvicorn
from botocore.config import Config
from botocore.credentials import Credentials
from starlette.applications import Starlette

from apigw_executor.backends import HttpPool
from apigw_executor.executor import Executor
from apigw_executor.telemetry import CloudWatch
from local import emulator_client
from local.credentials import TOKEN_HEADER, token
from local.front_door import cdn
from local.front_door.application import THREADS, FrontDoor, application
from local.front_door.catalog import Catalog, read_deployment
from local.front_door.emulator import Emulator
from local.front_door.http_protocol import IDLE, Wire
from local.settings import aws_environment


def build(endpoint: str, region: str, stage: str) -> Starlette:
    """The application for the emulator at ``endpoint``."""
    root = aws_environment()
    key, secret = root["AWS_ACCESS_KEY_ID"], root["AWS_SECRET_ACCESS_KEY"]
    admin_headers = ((TOKEN_HEADER, token(secret)),)
    emulator = Emulator(endpoint, region, Credentials(key, secret), HttpPool(THREADS), admin_headers=admin_headers)
    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=region)
    settings = Config(connect_timeout=2, read_timeout=5, retries={"max_attempts": 1})
    logs = session.client("logs", endpoint_url=endpoint, config=settings)

    def publish(namespace: str, data: list[dict[str, Any]]) -> None:
        content = {"Namespace": namespace, "MetricData": data}
        request = emulator_client.request
        request("POST", "/_setpieces/metrics", endpoint=endpoint, secret=secret, json=content).raise_for_status()

    telemetry = CloudWatch(logs, publish)
    executor = Executor(emulator, HttpPool(THREADS), telemetry)
    catalog = Catalog(lambda: read_deployment(emulator, stage))
    front_door = FrontDoor(catalog, executor, emulator.forget, partial(cdn.fetch, endpoint, token(secret)))
    return application(front_door, telemetry)


def main() -> None:
    """Serve the front door on loopback."""
    parser = argparse.ArgumentParser(prog="python -m local.front_door.server", description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", choices=["127.0.0.1", "::1", "localhost"])
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--stage", default="local")
    parser.add_argument("--endpoint", default=os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"))
    parser.add_argument(
        "--region", default=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "eu-central-1"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # Metrics are published every few seconds, each time for every API.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    app = build(options.endpoint, options.region, options.stage)
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        http=Wire,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE,
    )


if __name__ == "__main__":
    main()
