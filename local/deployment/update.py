"""Updates the stacks of changed files in the running shop with one CloudFormation update.

``deployed.json`` records the digest of each deployed file. The root stack is updated as ``sam deploy`` does: changed
templates are packaged again, the deployed root template names the others. CloudFormation rolls back a failed update, and the
record stays.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from local.deployment.package import artifact, package, uploader
from local.settings import AWS_ENDPOINT, STACK, STATE
from model.settings import ROOT, STAGE
from model.sources import APPLICATION, CONFIG, LAYER, SHOP, Reference, Template, affected, differences, digests
from model.templates import load, named
from tools.stack_parameters import chosen, new_release
from tools.stacks import DeployFailed, failed_resources, session_for
from tools.stages import WHOLE_SHOP, stage_settings

RECORD = STATE / "deployed.json"
COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """The ``changed`` files to deploy and their ``stacks`` (templates). ``now`` is the record after the deployment."""

    templates: Mapping[Path, Template]
    now: dict[str, str]
    changed: set[Path]
    stacks: list[Template] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        return [template.path.stem for template in self.stacks]

    def changes_layer(self) -> bool:
        """True if all functions get a new version of a layer."""
        layers = [each for template in self.stacks for each in template.references if each.kind == LAYER]
        return any(
            file in set(each.files()) or file.is_relative_to(each.path) for each in layers for file in self.changed
        )


@cache
def client(service: str) -> Any:
    """An SDK client for the local cloud. Cached because creating one takes longer than a call."""
    return session_for(STAGE).client(service)


def recorded() -> dict[str, str] | None:
    """{file: digest} of the deployed files; None if nothing is deployed."""
    return json.loads(RECORD.read_text()) if RECORD.exists() else None


def record(now: dict[str, str]) -> None:
    """Record ``now`` as deployed."""
    RECORD.write_text(json.dumps(now, indent=1))


def plan(templates: Mapping[Path, Template], before: Mapping[str, str]) -> Plan:
    """The changes of the files since ``before``."""
    now = digests(templates)
    changed = differences(before, now)
    return Plan(templates, now, changed, affected(templates, changed))


def needs_build(changes: Plan) -> bool:
    """True if the changes need ``sam build``: a layer's requirements or Makefile, or ``samconfig.toml``."""
    layers = [
        each.path for template in changes.templates.values() for each in template.references if each.kind == LAYER
    ]
    build = {CONFIG, *(folder / name for folder in layers for name in ("Makefile", "requirements.txt"))}
    return bool(build & changes.changed)


def update(changes: Plan, progress: Progress = lambda _: None) -> None:
    """Deploy ``changes``. Raises ``DeployFailed``, ``NeedsBuild`` and ``yaml.YAMLError``; the shop then keeps its version."""
    session, settings = session_for(STAGE), stage_settings(STAGE)
    cloudformation, s3, bucket = client("cloudformation"), client("s3"), settings["s3_bucket"]
    upload = uploader(s3, bucket)
    before, parameters = _current(cloudformation), chosen(STAGE, WHOLE_SHOP)
    different = {name for name, value in parameters.items() if before.get(name) != value}
    body = _packaged(changes, different, cloudformation, s3, bucket, upload)
    parameters["Release"] = before["Release"]
    started = datetime.now(UTC)
    try:
        cloudformation.update_stack(
            StackName=STACK,
            TemplateURL=f"{AWS_ENDPOINT}/{bucket}/{upload('.template', json.dumps(body).encode())}",
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
            Capabilities=settings["capabilities"],
        )
    except ClientError as error:
        message = error.response["Error"]["Message"]
        if "No updates are to be performed" in message:
            return
        raise DeployFailed(f"CloudFormation refused the template: {message}") from error
    if _wait(cloudformation, progress) not in _DONE:
        reasons = failed_resources(STACK, session, started)
        raise DeployFailed("\n".join(["The deployment failed and was rolled back:", *reasons]))


def _packaged(
    changes: Plan,
    different: set[str],
    cloudformation: Any,
    s3: Any,
    bucket: str,
    upload: Callable[[str, bytes], str],
) -> Any:
    """The root template, after the changed templates were packaged and uploaded; ``different`` of its parameters changed."""
    root = _document(cloudformation.get_template(StackName=STACK, TemplateStage="Original")["TemplateBody"])
    touched = {template.path for template in changes.stacks}

    def location(reference: Reference) -> str:
        if reference.kind != APPLICATION:
            return artifact(reference, bucket, upload)
        nested = changes.templates[reference.path]
        deployed = _deployed(root, reference.resource, s3, bucket)
        document = package(nested, deployed, changes.changed, location)
        return f"{AWS_ENDPOINT}/{bucket}/{upload('.template', json.dumps(document).encode())}"

    document = package(changes.templates[SHOP], root, changes.changed | touched, location)
    nested = changes.templates[SHOP].nested()
    edited = {name for name, path in nested.items() if path in changes.changed}
    get_other_values = with_other_values(document, root, different | edited)
    for name, path in nested.items():
        _publish(name, document, root, path in touched or name in get_other_values or changes.changes_layer())
    return document


def with_other_values(document: Any, deployed: Any, different: set[str]) -> set[str]:
    """The nested stacks of ``document`` that get other values of parameters than in ``deployed``, or may get them.

    ``different`` are the parameters of the root with another value, and the nested stacks whose outputs may have other values.
    """
    result: set[str] = set()
    while True:
        more = {
            name
            for name in document["Resources"].keys() - result
            if _passed(document, name) != _passed(deployed, name)
            or (different | result) & set(named(_passed(document, name)))
        }
        if not more:
            return result
        result |= more


def _passed(document: Any, name: str) -> dict[str, Any]:
    """The parameters that a root template passes to a nested stack, without ``Release``."""
    parameters = document["Resources"].get(name, {}).get("Properties", {}).get("Parameters", {})
    return {key: value for key, value in parameters.items() if key != "Release"}


def _publish(name: str, document: Any, deployed: Any, changed: bool) -> None:
    """Set a new ``Release`` for a changed stack: it publishes new versions of functions with aliases.

    ``make deploy`` publishes new versions in all stacks after any change (``tools.stack_parameters.release``).
    """
    parameters = document["Resources"][name]["Properties"].get("Parameters", {})
    if "Release" in parameters:
        before = deployed["Resources"].get(name, {}).get("Properties", {}).get("Parameters", {})
        parameters["Release"] = new_release() if changed else before.get("Release", parameters["Release"])


def _deployed(root: Mapping[str, Any], resource: str, s3: Any, bucket: str) -> Any:
    """The deployed packaged template of a nested stack; empty for a new stack."""
    address = root["Resources"].get(resource, {}).get("Properties", {}).get("Location")
    if not isinstance(address, str):
        return {}
    return _document(s3.get_object(Bucket=bucket, Key=address.rsplit("/", 1)[1])["Body"].read().decode())


def _document(body: Any) -> Any:
    return load(body) if isinstance(body, str) else body


def _current(cloudformation: Any) -> dict[str, str]:
    """The parameters of the deployed shop."""
    parameters = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["Parameters"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in parameters}


def _wait(cloudformation: Any, progress: Progress) -> str:
    """The final status of the root stack. ``progress`` is called with the name of each nested stack whose update begins."""
    reported: set[str] = set()
    while True:
        status = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
        if not status.endswith("IN_PROGRESS"):
            return str(status)
        for each in cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]:
            key = f"{each['LogicalResourceId']} {each.get('Timestamp')}"
            if each["ResourceStatus"].endswith("IN_PROGRESS") and key not in reported:
                reported.add(key)
                progress(each["LogicalResourceId"])
        time.sleep(0.05)


def deployable(cloudformation: Any) -> bool:
    """True if a complete shop is deployed, which an update can start from."""
    try:
        return cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"] in COMPLETE
    except ClientError:
        return False


def summary(files: set[Path]) -> str:
    """The first three of ``files`` and the number of the others, for output."""
    names = sorted(str(file.relative_to(ROOT)) for file in files)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
