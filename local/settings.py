"""Ports and folders of the local cloud. Environment variables override them; all ports are on loopback."""

import os
from pathlib import Path

from local.credentials import ROOT_ACCESS_KEY_ID, root_secret
from model.settings import REGION, ROOT, STAGE

STATE = Path(os.environ.get("SETPIECES_STATE", ROOT / ".local")).resolve()

STACK = f"setpieces-{STAGE}"
HOST = "127.0.0.1"

# Credentials in JSON with boto3's names, which commands use instead of root's. The integration tests set it.
SESSION = "SETPIECES_SESSION"
# Set by `make test`, which lints the templates in a check of its own, so that a deployment need not.
LINTED = "SETPIECES_LINTED"

AWS_PORT = int(os.environ.get("SETPIECES_AWS_PORT", "4566"))
FRONT_DOOR_PORT = int(os.environ.get("SETPIECES_FRONT_DOOR_PORT", "8080"))
STOREFRONT_PORT = int(os.environ.get("SETPIECES_STOREFRONT_PORT", "8081"))
SESSIONS_PORT = int(os.environ.get("SETPIECES_SESSIONS_PORT", "8082"))
AWS_ENDPOINT = f"http://{HOST}:{AWS_PORT}"
FRONT_DOOR = f"http://{HOST}:{FRONT_DOOR_PORT}"

# The temporary folder of the emulator, which leaves files behind when a function's process is killed.
SCRATCH = STATE / "tmp"
# The code of functions and layers, each in a folder named by the SHA-256 of its zip.
UNPACKED = SCRATCH / "unpacked"
# The checked copy of the storefront, from which it runs.
STOREFRONT_FOLDER = STATE / "storefront"
LAMBDA_PYTHON = STATE / "lambda-runtime" / "bin" / "python"
SAM = ROOT / ".venv-sam" / "bin" / "sam"


def aws_environment() -> dict[str, str]:
    """The environment in which AWS tools and SDKs use the local cloud as root of its account."""
    return {
        "AWS_ENDPOINT_URL": AWS_ENDPOINT,
        "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": root_secret(STATE),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
