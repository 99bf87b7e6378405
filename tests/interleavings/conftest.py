"""The quick DynamoDB, the one session and the list of conditions of unit tests are this directory's too."""

from tests.unit.conftest import _default_session, listed_conditions, quick_dynamodb  # noqa: F401
