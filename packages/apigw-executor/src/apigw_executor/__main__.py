"""The command line: ``python -m apigw_executor openapi.yaml --endpoint http://127.0.0.1:4566``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from apigw_executor.gateway import Gateway
from apigw_executor.server import Server


def main() -> None:
    """Serves an API document until it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m apigw_executor", description="Serve an API document over HTTP.")
    parser.add_argument("document", type=Path, help="OpenAPI 3.0 or Swagger 2.0, YAML or JSON, without intrinsics")
    parser.add_argument("--endpoint", required=True, help="URL that takes the requests of all AWS services")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--account", default="000000000000")
    parser.add_argument("--stage", default="prod")
    parser.add_argument(
        "--variable", action="append", default=[], metavar="NAME=VALUE", type=_variable, help="a stage variable"
    )
    parser.add_argument("--api-key", action="append", default=[], help="the value of an API key")
    parser.add_argument("--enforce-permissions", action="store_true", help="assume roles, check policies of functions")
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on; any but loopback opens the API to others"
    )
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        gateway = Gateway.from_document(
            options.document.read_text(),
            endpoint=options.endpoint,
            region=options.region,
            account=options.account,
            stage=options.stage,
            stage_variables=dict(options.variable),
            api_keys=options.api_key,
            enforce_permissions=options.enforce_permissions,
        )
        server = Server(gateway, options.host, options.port)
    except (OSError, OverflowError, ValueError) as error:
        parser.error(" ".join(str(error).split()))
    with server:
        logging.info("%s at %s", gateway.api.name or options.document, server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            logging.info("stopped")


def _variable(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


if __name__ == "__main__":
    main()
