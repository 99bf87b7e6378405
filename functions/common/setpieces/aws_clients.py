"""The AWS clients that functions use, for mypy: nothing imports this module at run time."""

from typing import Literal, Protocol, overload

from types_boto3_cloudfront import CloudFrontClient
from types_boto3_codedeploy import CodeDeployClient
from types_boto3_dynamodb import DynamoDBClient
from types_boto3_events import EventBridgeClient
from types_boto3_kms import KMSClient
from types_boto3_lambda import LambdaClient
from types_boto3_logs import CloudWatchLogsClient
from types_boto3_s3 import S3Client
from types_boto3_sesv2 import SESV2Client
from types_boto3_sns import SNSClient
from types_boto3_sqs import SQSClient
from types_boto3_ssm import SSMClient
from types_boto3_stepfunctions import SFNClient
from types_boto3_sts import STSClient


class ClientFactory(Protocol):
    """The client of an AWS service by its name in boto3, created once per process."""

    @overload
    def __call__(self, service: Literal["cloudfront"]) -> CloudFrontClient: ...
    @overload
    def __call__(self, service: Literal["codedeploy"]) -> CodeDeployClient: ...
    @overload
    def __call__(self, service: Literal["dynamodb"]) -> DynamoDBClient: ...
    @overload
    def __call__(self, service: Literal["events"]) -> EventBridgeClient: ...
    @overload
    def __call__(self, service: Literal["kms"]) -> KMSClient: ...
    @overload
    def __call__(self, service: Literal["lambda"]) -> LambdaClient: ...
    @overload
    def __call__(self, service: Literal["logs"]) -> CloudWatchLogsClient: ...
    @overload
    def __call__(self, service: Literal["s3"]) -> S3Client: ...
    @overload
    def __call__(self, service: Literal["sesv2"]) -> SESV2Client: ...
    @overload
    def __call__(self, service: Literal["sns"]) -> SNSClient: ...
    @overload
    def __call__(self, service: Literal["sqs"]) -> SQSClient: ...
    @overload
    def __call__(self, service: Literal["ssm"]) -> SSMClient: ...
    @overload
    def __call__(self, service: Literal["stepfunctions"]) -> SFNClient: ...
    @overload
    def __call__(self, service: Literal["sts"]) -> STSClient: ...

    def cache_clear(self) -> None: ...
