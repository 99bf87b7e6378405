"""Where the local cloud listens and keeps its state. All overridable by environment, all on loopback."""

import os
from pathlib import Path

from local.credentials import ROOT_ACCESS_KEY_ID, root_secret
from model.settings import REGION, ROOT, STAGE

STATE = Path(os.environ.get("SETPIECES_STATE", ROOT / ".local")).resolve()

STACK = f"setpieces-{STAGE}"
HOST = "127.0.0.1"

# Credentials in JSON, named as in boto3, that commands use in the local cloud instead of root's: the integration tests set it.
SESSION = "SETPIECES_SESSION"
# Set by `make test`, which lints the templates as a check of its own: a deployment then does not do it again.
LINTED = "SETPIECES_LINTED"

AWS_PORT = int(os.environ.get("SETPIECES_AWS_PORT", "4566"))
FRONT_DOOR_PORT = int(os.environ.get("SETPIECES_FRONT_DOOR_PORT", "8080"))
STOREFRONT_PORT = int(os.environ.get("SETPIECES_STOREFRONT_PORT", "8081"))
SESSIONS_PORT = int(os.environ.get("SETPIECES_SESSIONS_PORT", "8082"))
AWS_ENDPOINT = f"http://{HOST}:{AWS_PORT}"
FRONT_DOOR = f"http://{HOST}:{FRONT_DOOR_PORT}"

# Where functions are unpacked: the emulator does not clear up after a function's process that was killed.
SCRATCH = STATE / "tmp"
# The code of functions and layers, each in a folder named by the SHA-256 of its zip.
UNPACKED = SCRATCH / "unpacked"
# The storefront as it runs: files that were checked.
STOREFRONT_FOLDER = STATE / "storefront"
LAMBDA_PYTHON = STATE / "lambda-runtime" / "bin" / "python"
SAM = ROOT / ".venv-sam" / "bin" / "sam"


def aws_environment() -> dict[str, str]:
    """The environment in which AWS tools and SDKs talk to the local cloud as the account's root."""
    return {
        "AWS_ENDPOINT_URL": AWS_ENDPOINT,
        "AWS_ACCESS_KEY_ID": ROOT_ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": root_secret(STATE),
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
