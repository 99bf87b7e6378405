"""The repository, and the account for which the local cloud and the checks resolve its templates."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAGE = "local"
REGION = "eu-central-1"
ACCOUNT_ID = "000000000000"
