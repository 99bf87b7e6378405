"""Addresses of other services and outside systems, from Parameter Store.

Everything others need is published as ``/setpieces/<stage>/<service>/<name>``; reading it at run time (and not at deploy
time) lets an operator point a stage at another system without a deployment. Values are cached for five minutes.
"""

from aws_lambda_powertools.utilities.parameters import SSMProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from setpieces.aws import client
from setpieces.settings import STAGE

MAX_AGE_SECONDS = 300

_provider: SSMProvider | None = None


def address(service: str, name: str) -> str:
    """The value of ``/setpieces/<stage>/<service>/<name>``, e.g. ``address("partners", "commerce-url")``.

    Raises ``GetParameterError`` when nothing was published there, or with the reason as its cause if Parameter Store does not
    answer.
    """
    global _provider
    if _provider is None:
        _provider = SSMProvider(boto3_client=client("ssm"))
    try:
        return str(_provider.get(f"/setpieces/{STAGE}/{service}/{name}", max_age=MAX_AGE_SECONDS))
    except GetParameterError as error:
        # Powertools names no cause, and by that it is judged whether the caller may try again.
        raise error from error.__context__
