"""Patches of Parameter Store."""

import inspect
from typing import Any

from local.emulator.patch import NoLongerNeeded, patch

MAX_BYTES = {"Standard": 4096, "Advanced": 8192}


@patch(
    "parameter-sizes",
    area="data",
    aws="a standard parameter has at most 4 KB, an advanced one 8 KB",
    emulator="values of any size are accepted",
    reason="a value that grows with the shop would be rejected only on AWS",
    upstream="not reported",
)
def limit_parameter_sizes() -> None:
    from ministack.core.responses import error_response_json
    from ministack.services import ssm

    if "4096 characters" in inspect.getsource(ssm):
        raise NoLongerNeeded("sizes of parameters are limited")
    put_parameter = ssm._put_parameter

    def put_within_limit(data: dict[str, Any]) -> Any:
        value = data.get("Value") or ""
        tier = data.get("Tier") or ssm._default_tier(data, value, ssm._parameters.get(data.get("Name")))
        tier = tier if tier in MAX_BYTES else "Advanced"  # Intelligent-Tiering stores a large value as advanced
        if len(value.encode()) <= MAX_BYTES[tier]:
            return put_parameter(data)
        message = f"{tier} tier parameters support a maximum parameter value of {MAX_BYTES[tier]} characters."
        return error_response_json("ValidationException", message, 400)

    ssm._put_parameter = put_within_limit
