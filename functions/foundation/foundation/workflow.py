"""New versions of functions before they get requests: which they are, and whether each answers a request as it should."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from setpieces.aws import patient_client
from setpieces.settings import setting

REQUESTS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("release_requests.json").read_text())


class VersionFailed(Exception):
    """A new version did not answer as it should; the message says how it did."""


def new_versions(deployment_id: str) -> Iterator[tuple[str, str]]:
    """(function, version) of what a deployment of CodeDeploy shifts requests to.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-example.html
    """
    revision = patient_client("codedeploy").get_deployment(deploymentId=deployment_id)["deploymentInfo"]["revision"]
    content = (revision.get("string") or revision["appSpecContent"])["content"]
    for resource in json.loads(content)["Resources"]:
        for function in resource.values():
            yield function["Properties"]["Name"], str(function["Properties"]["TargetVersion"])


def check_version(function: str, version: str) -> None:
    """Invoke a version with its request. It changes nothing: it reads, or has to be refused. Raises ``VersionFailed``."""
    wanted = REQUESTS[function.removeprefix(f"setpieces-{setting('STAGE')}-")]
    answer = patient_client("lambda").invoke(
        FunctionName=function, Qualifier=version, Payload=json.dumps(_event(wanted))
    )
    payload = json.loads(answer["Payload"].read())
    if "FunctionError" in answer or payload["statusCode"] != wanted["status"]:
        raise VersionFailed(f"{function}:{version} should answer {wanted['status']}: {json.dumps(payload)[:500]}")


def _event(request: dict[str, Any]) -> dict[str, Any]:
    """What API Gateway would send."""
    return {
        "resource": request["path"],
        "path": request["path"],
        "httpMethod": request["method"],
        "headers": {"Accept": "application/json", "Content-Type": "application/json"},
        "queryStringParameters": None,
        "pathParameters": request["parameters"] or None,
        "requestContext": {
            "requestId": "release-check",
            "stage": setting("STAGE"),
            "path": request["path"],
            "authorizer": {"customer_id": "C000000000"},
        },
        "body": json.dumps(request["body"]) if "body" in request else None,
        "isBase64Encoded": False,
    }
