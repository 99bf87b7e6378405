"""The parameters that a template is deployed with.

They come from ``parameter_overrides`` in samconfig.toml, under the names that templates/shop.yaml has for them, or are the
defaults of the template; those of a single set piece also come from the addresses that its template has for parameters of
other services.
"""

import difflib
import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.settings import ROOT
from model.sources import APPLICATION, SHOP, constants, read
from model.templates import defaults, published_parameters
from tools.stacks import Clients, DeployFailed, deployed_stack
from tools.stages import DELIVERY, WHOLE_SHOP, stack_of, stage_parameters

DEPLOYED = ("templates", "functions", "schemas", "statemachines")
# SAM names a version of a function by this many characters of Release.
VERSION_CHARACTERS = 10


def template(piece: str) -> Path:
    """The path of a piece's template. Raises ``DeployFailed`` if it does not exist."""
    path = ROOT / "templates" / f"{piece}.yaml"
    if not path.is_file():
        pieces = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
        raise DeployFailed(f"Unknown set piece {piece!r}. Set pieces: {pieces}.")
    return path


def document(piece: str) -> dict[str, Any]:
    """The template of a piece as written, with intrinsics in long form. Raises ``DeployFailed`` if it does not exist."""
    return read(template(piece)).document


def parameter_names(piece: str) -> dict[str, str]:
    """The parameters of ``piece`` that samconfig.toml may set, by their names there: {"VouchersFileDays": "FileDays"}.

    samconfig.toml uses the shop's name of a parameter that the shop passes to the piece.
    """
    source = document(piece)
    own = (
        source.get("Parameters", {}).keys()
        - published_parameters(source).keys()
        - constants(source).keys()
        - {"Release"}
    )
    passed_on = {
        name: value["Ref"]
        for resource in read(SHOP).document["Resources"].values()
        if resource["Type"] == APPLICATION and resource["Properties"]["Location"] == f"{piece}.yaml"
        for name, value in resource["Properties"]["Parameters"].items()
        if isinstance(value, dict) and list(value) == ["Ref"]
    }
    return {passed_on.get(name, name): name for name in own}


def check_parameters(stage: str, piece: str) -> None:
    """Raises ``DeployFailed`` for a name in samconfig.toml that neither ``piece`` nor the shop has: it would have no effect."""
    names = sorted(parameter_names(WHOLE_SHOP).keys() | parameter_names(piece).keys())
    for name in sorted(stage_parameters(stage).keys() - names):
        similar = [each for each in names if each.endswith(name)] or difflib.get_close_matches(name, names, n=1)
        suggestion = f" Did you mean {' or '.join(similar)}?" if similar else ""
        raise DeployFailed(
            f"samconfig.toml sets {name} for stage {stage}, but no template has such a parameter.{suggestion} "
            "Nothing was deployed."
        )


def digest(parameters: Mapping[str, str]) -> str:
    """A digest of all deployed sources and of the parameters that they are deployed with."""
    content = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for folder in DEPLOYED:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                content.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return content.hexdigest()[:VERSION_CHARACTERS]


def new_release() -> str:
    """A new value of ``Release``, which functions behind aliases have in their description.

    A rollback leaves the versions of the failed attempt in Lambda. CloudFormation fails if the next attempt publishes the same
    version again ("A version for this Lambda function exists"), so it has to differ.
    """
    return secrets.token_hex(VERSION_CHARACTERS // 2)


def release(parameters: Mapping[str, str], deployed: Mapping[str, Any] | None) -> str:
    """``Release`` for a stack that is ``deployed``: its value if it is complete and has the same digest, else a new one.

    SAM detects no change of a function whose layer or setting is a parameter, so ``Release`` changes with the parameters.
    """
    content = digest(parameters)
    if deployed and deployed["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        for each in deployed.get("Parameters", []):
            if each["ParameterKey"] == "Release" and each["ParameterValue"].endswith(f"-{content}"):
                return str(each["ParameterValue"])
    return f"{new_release()}-{content}"


def chosen(stage: str, piece: str) -> dict[str, str]:
    """The parameters of ``piece`` that samconfig.toml may set, with its values for ``stage`` or else the template's defaults.

    A deployment sets all of them. CloudFormation keeps the value of a parameter that SAM CLI does not set, so a changed
    default, or a line removed from samconfig.toml, would have no effect on a stack that exists.
    """
    names = parameter_names(piece)
    settings = {names[name]: value for name, value in stage_parameters(stage).items() if name in names}
    # Those of delivery come from the command line of its first deployment, and are kept.
    initial = {} if piece == DELIVERY else defaults(document(piece))
    return {name: value for name, value in initial.items() if name in names.values()} | settings


def overrides(stage: str, piece: str, session: Clients) -> dict[str, str]:
    """All parameters of ``piece`` in ``stage``. Raises ``DeployFailed`` if another service has not published a value."""
    parameters = chosen(stage, piece)
    ssm = session.client("ssm")
    for parameter, address in published_parameters(document(piece)).items():
        name = f"/setpieces/{stage}/{address}"
        try:
            parameters[parameter] = ssm.get_parameter(Name=name)["Parameter"]["Value"]
        except ssm.exceptions.ParameterNotFound as error:
            owner = address.split("/")[0]
            raise DeployFailed(
                f"{piece} needs {name}: deploy {owner} first (make deploy PIECE={owner} ENV={stage})."
            ) from error
    if "Release" in document(piece).get("Parameters", {}):
        parameters["Release"] = release(parameters, deployed_stack(stack_of(stage, piece), session))
    return parameters
