"""Addresses of other services and outside systems, from Parameter Store.

Everything others need is published as ``/setpieces/<stage>/<service>/<name>``; reading it at run time (and not at deploy
time) lets an operator point a stage at another system without a deployment. Values are cached for five minutes.
"""

from aws_lambda_powertools.utilities.parameters import SSMProvider

from setpieces.aws import client
from setpieces.settings import STAGE

MAX_AGE_SECONDS = 300

_provider: SSMProvider | None = None


def address(service: str, name: str) -> str:
    """The value of ``/setpieces/<stage>/<service>/<name>``, e.g. ``address("partners", "commerce-url")``.

    Raises ``aws_lambda_powertools.utilities.parameters.exceptions.GetParameterError`` when nothing was published there.
    """
    global _provider
    if _provider is None:
        _provider = SSMProvider(boto3_client=client("ssm"))
    return str(_provider.get(f"/setpieces/{STAGE}/{service}/{name}", max_age=MAX_AGE_SECONDS))
