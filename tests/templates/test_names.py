"""Names: what a template names itself can be made again, after a creation that failed and after a destroy.

Which properties name a resource, AWS's own schemas say, which cfn-lint brings along: those of its identifiers that are given
and not generated. Of types with another identifier, such as an ARN, ``local.emulator.names`` has the name.
``tests/integration/test_lives.py`` creates every piece again.
"""

from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from local.emulator.names import NAMED, declared_name
from model.settings import REGION
from model.templates import pieces

KEEP = {"Retain", "RetainExceptOnCreate", "Snapshot"}
# (service, logical id): why its name may stay in use, and which code adopts what is there.
ADOPTED: dict[tuple[str, str], str] = {}
# Types that are named within something else, which is made anew with them.
PARTS = {
    "AWS::ApiGateway::Stage": "an API",
    "AWS::CodeDeploy::DeploymentGroup": "an application",
    "AWS::ECS::Service": "a cluster",
    "AWS::Logs::LogStream": "a log group",
    "AWS::Logs::MetricFilter": "a log group",
    "AWS::Route53::RecordSet": "a hosted zone, which make preflight looks into",
    "AWS::S3::BucketPolicy": "a bucket",
    "AWS::WAFv2::LoggingConfiguration": "a web ACL, which has one at most",
}
# What is named and has properties that only a new resource takes: these do not change, or the name is needed.
FIXED = {
    "delivery Boundary": "every role names it; its description stays",
    "event-bus Archive": "of the bus, whose name is fixed",
    "event-relay UpdatesDeadLetters": "stays FIFO",
    "event-relay UpdatesQueue": "stays FIFO",
    "ingestion Stream": "its API names it; it stays one that is put into",
    "redirects TargetGroup": "its function lets it in by name before it is there; targets stay functions",
    "shipping ShipmentsDeadLetters": "stays FIFO",
    "shipping ShipmentsQueue": "stays FIFO",
    "sitemaps GenerateSitemaps": "stays of its type",
    "storefront Repository": "images are pushed by its name; stays encrypted as it is",
    "vouchers GenerateVouchers": "stays of its type",
}


def naming_properties(kind: str) -> set[str]:
    """The properties with which a template names a resource of this type."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    identifiers = [schema["primaryIdentifier"], *schema.get("additionalIdentifiers", [])]
    identifying = {path for identifier in identifiers for path in identifier} - set(
        schema.get("readOnlyProperties", [])
    )
    required = schema.get("required", [])
    named = {path.removeprefix("/properties/") for path in identifying}
    # An identifier of several parts names nothing that outlives the thing it is a part of.
    return named if len(schema["primaryIdentifier"]) == 1 or not named <= set(required) else set()


def is_named(resource: dict[str, Any]) -> bool:
    kind, properties = resource["Type"], resource["Properties"]
    return bool(naming_properties(kind) & set(properties) or declared_name(kind, properties))


def named() -> list[Any]:
    return [
        pytest.param(resource, (service, name), id=f"{service} {name}")
        for service, piece in pieces().items()
        for name, resource in piece.resources.items()
        if is_named(resource)
    ]


@pytest.mark.parametrize(("resource", "identity"), named())
def test_only_adopted_resources_keep_a_fixed_name(resource: dict[str, Any], identity: tuple[str, str]):
    retaining = KEEP & {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")}
    assert bool(retaining) == (identity in ADOPTED), f"{identity} keeps its fixed name: {retaining}"


def test_a_replaceable_resource_has_no_fixed_name():
    """CloudFormation makes the new one first, under another name: "cannot update a stack when a custom-named resource requires
    replacing". With a name it makes, a change of a network or a key goes through.
    """
    replaceable = set()
    for service, piece in pieces().items():
        for name, resource in piece.resources.items():
            kind = resource["Type"]
            if is_named(resource) and kind not in PARTS:
                schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
                naming = naming_properties(kind) | ({*NAMED[kind].properties} if kind in NAMED else set())
                new_only = {path.split("/")[2] for path in schema.get("createOnlyProperties", [])} - naming
                replaceable |= {f"{service} {name}"} if new_only & set(resource["Properties"]) else set()
    assert replaceable == FIXED.keys()


def test_names_are_recognised():
    """These types are named by the property that CloudFormation documents."""
    assert naming_properties("AWS::ECR::Repository") == {"RepositoryName"}
    assert naming_properties("AWS::S3::Bucket") == {"BucketName"}
    assert naming_properties("AWS::Logs::LogGroup") == {"LogGroupName"}
    assert naming_properties("AWS::DynamoDB::Table") == {"TableName"}
    assert naming_properties("AWS::Lambda::LayerVersion") == set()
    assert len(named()) > 350


def test_the_local_cloud_checks_the_names_of_every_named_type():
    """A type that is missing there would be made over what is left of it, here only (``taken-names`` in docs/parity.md)."""
    types = {
        resource["Type"] for piece in pieces().values() for resource in piece.resources.values() if is_named(resource)
    }
    assert types - NAMED.keys() == PARTS.keys()


def test_a_creation_that_fails_leaves_no_key_behind():
    """A retained key costs by the month, and what each attempt left would pile up; a stack that was made keeps its key."""
    policies = {
        f"{service} {name}": resource.get("DeletionPolicy")
        for service, piece in pieces().items()
        for name, resource in piece.resources.items()
        if resource["Type"] == "AWS::KMS::Key"
    }
    assert set(policies.values()) == {"RetainExceptOnCreate"}, policies
