"""Stages: local on this machine, the others each in an AWS account. samconfig.toml has their settings."""

import os
import tomllib
from typing import Any

from model.settings import ROOT

STAGES = ("local", "dev", "test", "prod")
CONFIG = ROOT / "samconfig.toml"
WHOLE_SHOP, DELIVERY = "shop", "delivery"


def current_stage() -> str:
    """The stage that commands work with: ``SETPIECES_STAGE``, by default local."""
    return os.environ.get("SETPIECES_STAGE", "local")


def stage_settings(stage: str) -> dict[str, Any]:
    """The settings of ``sam deploy`` for ``stage`` in samconfig.toml."""
    settings: dict[str, Any] = tomllib.loads(CONFIG.read_text())[stage]["deploy"]["parameters"]
    return settings


def stage_parameters(stage: str) -> dict[str, str]:
    """``parameter_overrides`` of ``stage``, by name, without the quotes that SAM CLI needs around a value with a space."""
    pairs = (pair.split("=", 1) for pair in stage_settings(stage)["parameter_overrides"])
    return {name: value[1:-1] if value[:1] == value[-1:] == '"' else value for name, value in pairs}


def stack_of(stage: str, piece: str) -> str:
    """The name of the stack of ``piece`` in ``stage``."""
    return f"setpieces-{stage}" + ("" if piece == WHOLE_SHOP else f"-{piece}")
