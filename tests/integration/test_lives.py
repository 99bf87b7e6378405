"""The life of every piece: created, destroyed, created again until its last resource fails, rolled back, and created again.

In an empty cloud of its own, which makes nothing under a taken name (``local.emulator.names``). Templates are packaged as
``make watch`` does it, with a stub for the layer: no function has to work here. Each piece is a stack of its own, as
``make deploy PIECE=`` makes it, and the shop nests all of them. Under which roles a stage lives, test_stage_life.py shows.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

from local.deployment.package import Upload, artifact, package, uploader, zipped
from local.emulator.names import NAMED, declared_name
from model.settings import ACCOUNT_ID, REGION, ROOT, STAGE
from model.sources import APPLICATION, LAYER, Reference, read
from model.templates import pieces, published_parameters
from tests.integration.deployments import REFUSED, Sessions, status_of
from tests.integration.two_emulators import PATCHED, Cloud, running
from tools import stack_parameters, stacks, stages
from tools.client import eventually, unique

pytestmark = pytest.mark.local_only("it has emulators of its own")

CAPABILITIES = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
# What the account has before its first deployment, or an administrator says.
TRUSTED = {
    "Repository": "owner/name",
    "OidcProviderArn": f"arn:aws:iam::{ACCOUNT_ID}:oidc-provider/token.actions.githubusercontent.com",
}

# Types that could be named, and no resource of ours is.
UNNAMED = {
    "AWS::DynamoDB::Table",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
}


def needs(piece: str) -> set[str]:
    """The pieces whose addresses ``piece`` is deployed with."""
    return {address.split("/")[0] for address in published_parameters(pieces()[piece].source).values()}


# Each after those that it needs.
PIECES = [
    piece
    for piece in TopologicalSorter({piece: needs(piece) for piece in sorted(pieces())}).static_order()
    if piece != stages.WHOLE_SHOP
]


@dataclass
class Account:
    """An empty account, into which templates are deployed."""

    cloud: Cloud
    bucket: str
    upload: Upload
    deployed: set[str] = field(default_factory=set)

    def packaged(self, piece: str) -> dict[str, Any]:
        """The template of ``piece`` with everything it refers to uploaded."""

        def location(reference: Reference) -> str:
            if reference.kind == APPLICATION:
                return self.template(self.packaged(reference.path.stem))
            if reference.kind == LAYER:
                return f"s3://{self.bucket}/{self.upload('', zipped([('stub', b'')]))}"
            return artifact(reference, self.bucket, self.upload)

        return package(read(stack_parameters.template(piece)), {}, {ROOT}, location)

    def template(self, document: Mapping[str, Any]) -> str:
        """The address of a template."""
        return f"{self.cloud.endpoint}/{self.bucket}/{self.upload('.template', json.dumps(document).encode())}"

    def parameters(self, piece: str) -> dict[str, str]:
        chosen = stack_parameters.overrides(STAGE, piece, Sessions(self.cloud))
        return chosen | (TRUSTED if piece == stages.DELIVERY else {})

    def created(self, name: str, document: Mapping[str, Any], parameters: Mapping[str, str]) -> "Stack":
        """A new stack, complete or rolled back."""
        started, cloudformation = datetime.now(UTC), self.cloud.aws("cloudformation")
        stack_parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        arn = cloudformation.create_stack(
            StackName=name, TemplateURL=self.template(document), Parameters=stack_parameters, Capabilities=CAPABILITIES
        )["StackId"]
        return Stack(self.cloud, arn, started)

    def deploy(self, pieces: set[str]) -> None:
        """Deploy those pieces that no test has deployed yet, each after what it needs."""
        for piece in (each for each in PIECES if each in pieces - self.deployed):
            self.deploy(needs(piece))
            self.created(stages.stack_of(STAGE, piece), self.packaged(piece), self.parameters(piece)).succeeds()
            self.deployed.add(piece)


@dataclass(frozen=True)
class Stack:
    cloud: Cloud
    arn: str
    started: datetime

    def ended(self) -> str:
        return eventually(lambda: "" if (now := status_of(self.cloud, self.arn)).endswith("IN_PROGRESS") else now)

    def reasons(self) -> list[str]:
        return stacks.failed_resources(self.arn, Sessions(self.cloud), self.started)

    def succeeds(self) -> None:
        assert self.ended() == "CREATE_COMPLETE", "\n".join(self.reasons())

    def fails_at(self, resource: str) -> None:
        """Rolled back for this resource only: all others are created. Then what is left of the stack is deleted."""
        assert self.ended() == "ROLLBACK_COMPLETE", "\n".join(self.reasons())
        (reason,) = self.reasons()
        assert f"/ {resource} (" in reason, reason
        self.destroy()

    def destroy(self) -> None:
        self.cloud.aws("cloudformation").delete_stack(StackName=self.arn)
        assert self.ended() == "DELETE_COMPLETE", "\n".join(self.reasons())

    def expanded(self) -> dict[str, Any]:
        """Its template as CloudFormation expanded it."""
        body = self.cloud.aws("cloudformation").get_template(StackName=self.arn, TemplateStage="Processed")
        template: Any = body["TemplateBody"]
        return json.loads(template) if isinstance(template, str) else dict(template)


def broken(template: Mapping[str, Any]) -> dict[str, Any]:
    """``template`` with a resource after all others that AWS refuses."""
    copied = copy.deepcopy(dict(template))
    copied["Resources"]["Broken"] = {**REFUSED, "DependsOn": sorted(copied["Resources"])}
    return copied


@contextmanager
def empty_account(folder: Path) -> Iterator[Account]:
    with running(PATCHED, folder) as cloud:
        s3, bucket = cloud.aws("s3"), unique("packages")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield Account(cloud, bucket, uploader(s3, bucket))


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with empty_account(tmp_path_factory.mktemp("pieces")) as account:
        yield account


def live(account: Account, piece: str) -> None:
    name, document, parameters = stages.stack_of(STAGE, piece), account.packaged(piece), account.parameters(piece)
    first = account.created(name, document, parameters)
    first.succeeds()
    expanded = first.expanded()
    first.destroy()
    account.created(name, broken(expanded), parameters).fails_at("Broken")
    account.created(name, document, parameters).succeeds()


@pytest.mark.parametrize("piece", PIECES)
def test_a_piece_is_created_again_after_its_end(account: Account, piece: str):
    account.deploy(needs(piece))
    live(account, piece)
    account.deployed.add(piece)


def test_the_shop_is_created_again_after_its_end(tmp_path: Path):
    with empty_account(tmp_path) as account:
        live(account, stages.WHOLE_SHOP)


def test_no_named_resource_is_created_twice(account: Account):
    """One of each type: one that is left behind would have failed the next creation of its piece."""
    account.deploy(set(PIECES))
    named = {
        each["type"]: each["properties"]
        for each in account.cloud.emulator("GET", "/_setpieces/resources").json()
        if declared_name(each["type"], each["properties"])
    }
    assert named.keys() == NAMED.keys() - UNNAMED
    for kind, properties in named.items():
        second = account.created(
            unique("second"), {"Resources": {"Second": {"Type": kind, "Properties": properties}}}, {}
        )
        assert second.ended() == "ROLLBACK_COMPLETE", kind
        # Names of buckets CloudFormation looks up before it begins.
        assert re.search("already exists|Validation failed", second.reasons()[0]), second.reasons()


def test_a_resource_retained_under_a_fixed_name_fails_the_next_creation(account: Account):
    """Also a table that was created empty again would be a loss."""
    name = unique("retained")
    table = {
        "TableName": name,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    template = {
        "Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "Properties": table}}
    }
    first = account.created(name, template, {})
    first.succeeds()
    first.destroy()
    second = account.created(name, template, {})
    second.fails_at("Table")
    assert f"'{name}' already exists" in second.reasons()[0]
