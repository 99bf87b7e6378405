"""The quick DynamoDB and the one session of unit tests are this directory's too."""

from tests.unit.conftest import _default_session, quick_dynamodb  # noqa: F401
