"""Deployments into an emulator of the test's own."""

from typing import Any

from tests.integration.two_emulators import Cloud

# A queue that CloudFormation accepts and SQS refuses.
REFUSED = {"Type": "AWS::SQS::Queue", "Properties": {"MaximumMessageSize": 1}}


def status_of(cloud: Cloud, stack: str) -> str:
    return str(cloud.aws("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])


class Sessions:
    """A session whose clients ask ``cloud``."""

    def __init__(self, cloud: Cloud, session: Any = None):
        self.cloud, self.session = cloud, session

    def client(self, service: str, /) -> Any:
        return self.cloud.aws(service, self.session)
