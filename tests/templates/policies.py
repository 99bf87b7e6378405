"""What the policies of the templates grant: what the tests of policies share."""

import pytest

from local.cloud.integration_role import integration_roles
from model.grants import grants, role_documents
from model.templates import iter_resources, pieces

# Bootstraps an account: CloudFormation must be able to make whatever templates declare. What it makes is bounded, see
# test_delivery_roles.py.
BOOTSTRAP = "delivery"
PIECES = [pytest.param(piece, id=service) for service, piece in pieces().items()]


def identity_policies() -> list[tuple[str, str, str]]:
    """(service and role, action, resource) of every statement of every role."""
    return [
        (f"{piece.service} {name}", action, resource)
        for piece, name, _ in iter_resources("AWS::IAM::Role")
        if piece.service != BOOTSTRAP
        for document in role_documents(piece, name)
        for action, resource in grants(document)
    ]


def integration_test_grants() -> list[tuple[str, str, str]]:
    """Likewise of the roles of the integration tests, which have no boundary."""
    tests = integration_roles()
    return [
        (name, action, resource)
        for name in tests.of_type("AWS::IAM::Role")
        for document in role_documents(tests, name)
        for action, resource in grants(document)
    ]
