"""Responses of AWS services other than DynamoDB, from the state of a world, and the difference of DynamoDB's to moto's."""

import hashlib
import io
import json
import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from moto.events.models import EventPattern
from moto.events.utils import EventMessageType

from model.settings import REGION
from tests import deployed
from tests.interleavings.state import Message, State


class AwsOperations(State):
    """A method for each operation, ``_<service>_<operation>``."""

    def _ssm_GetParameter(self, client: Any, Name: str, **_: Any) -> Any:
        service, name = Name.split("/")[3:]
        if name == "api-url":
            value = f"https://{service}.test"
        elif service == "partners":
            value = f"https://partners.test/v1/{name.removesuffix('-url')}"
        else:
            value = f"{service}/{name}"
        return {"Parameter": {"Name": Name, "Value": value, "Type": "String"}}

    def _sqs_SendMessage(self, client: Any, QueueUrl: str, MessageBody: str, **options: Any) -> Any:
        attributes = {name: each["StringValue"] for name, each in options.get("MessageAttributes", {}).items()}
        deduplication = options.get("MessageDeduplicationId")
        message = Message(self.next_id(), MessageBody, attributes, options.get("MessageGroupId"))
        if deduplication is None or f"{QueueUrl}/{deduplication}" not in self.deduplicated:
            self.queues[QueueUrl].append(message)
        if deduplication is not None:
            self.deduplicated.add(f"{QueueUrl}/{deduplication}")
        return {"MessageId": message.message_id}

    def _sqs_SendMessageBatch(self, client: Any, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:
        done = []
        for entry in Entries:
            entry = dict(entry)
            identifier = entry.pop("Id")
            done.append({"Id": identifier, **self._sqs_SendMessage(client, QueueUrl, **entry)})
        return {"Successful": done, "Failed": []}

    def _sqs_ReceiveMessage(self, client: Any, QueueUrl: str, MaxNumberOfMessages: int = 1, **_: Any) -> Any:
        messages = [message for message in self.queues[QueueUrl] if not message.hidden][:MaxNumberOfMessages]
        for message in messages:
            message.hidden, message.receives = True, message.receives + 1
        return {
            "Messages": [
                {
                    "MessageId": message.message_id,
                    "ReceiptHandle": message.message_id,
                    "Body": message.body,
                    "Attributes": {"ApproximateReceiveCount": str(message.receives)}
                    | ({"MessageGroupId": message.group} if message.group else {}),
                }
                for message in messages
            ]
        }

    def _sqs_DeleteMessage(self, client: Any, QueueUrl: str, ReceiptHandle: str) -> Any:
        self.queues[QueueUrl] = [each for each in self.queues[QueueUrl] if each.message_id != ReceiptHandle]
        return {}

    def _sqs_DeleteMessageBatch(self, client: Any, QueueUrl: str, Entries: list[dict[str, Any]]) -> Any:
        for entry in Entries:
            self._sqs_DeleteMessage(client, QueueUrl, entry["ReceiptHandle"])
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries], "Failed": []}

    def _sqs_ChangeMessageVisibility(self, client: Any, **_: Any) -> Any:
        return {}

    def _events_PutEvents(self, client: Any, Entries: list[dict[str, Any]]) -> Any:
        for entry in Entries:
            detail = json.loads(entry["Detail"])
            self.published.append(detail["event"] | {"source": entry["Source"]})
            event: EventMessageType = {
                "id": self.next_id(),
                "detail-type": entry["DetailType"],
                "source": entry["Source"],
                "account": "000000000000",
                "resources": entry.get("Resources", []),
                "detail": detail,
            }
            for service in self.services:
                for pattern, queue in deployed.rules(service):
                    if EventPattern.load(json.dumps(pattern)).matches_event(event):
                        self.queues[queue].append(Message(self.next_id(), json.dumps(event), {}))
        return {"FailedEntryCount": 0, "Entries": [{"EventId": self.next_id()} for _ in Entries]}

    def _sns_Publish(self, client: Any, TopicArn: str, Message: str, **options: Any) -> Any:
        self.announced.append((TopicArn, Message))
        for service in self.services:
            for topic, queue in deployed.subscriptions(service):
                if topic == TopicArn:
                    self._sqs_SendMessage(
                        client, queue, Message, MessageAttributes=options.get("MessageAttributes", {})
                    )
        return {"MessageId": self.next_id()}

    def _lambda_Invoke(self, client: Any, FunctionName: str, Payload: bytes, **_: Any) -> Any:
        self.invoked.append((FunctionName, json.loads(Payload)))
        return {"StatusCode": 202}

    def _lambda_UpdateEventSourceMapping(self, client: Any, UUID: str, Enabled: bool) -> Any:
        self.mappings[UUID] = Enabled
        return {"UUID": UUID, "State": "Updating"}

    def _stepfunctions_StartExecution(self, client: Any, stateMachineArn: str, name: str, input: str) -> Any:
        arn = f"arn:aws:states:{REGION}:000000000000:execution:{stateMachineArn}:{name}"
        execution = self.executions.setdefault(arn, {"status": "RUNNING", "input": input, "name": name})
        if execution["status"] != "RUNNING" or execution["input"] != input:
            raise _refusal(client, "ExecutionAlreadyExists", "StartExecution")
        return {"executionArn": arn}

    def _stepfunctions_DescribeExecution(self, client: Any, executionArn: str) -> Any:
        if executionArn not in self.executions:
            raise _refusal(client, "ExecutionDoesNotExist", "DescribeExecution")
        return {"executionArn": executionArn, "status": self.executions[executionArn]["status"]}

    def _kms_GenerateMac(self, client: Any, Message: bytes, **_: Any) -> Any:
        return {"Mac": hashlib.sha256(Message).digest()}

    def _s3_PutObject(self, client: Any, Bucket: str, Key: str, Body: Any, **_: Any) -> Any:
        self.objects[Bucket][Key] = Body if isinstance(Body, bytes) else Body.read()
        return {"ETag": _etag(self.objects[Bucket][Key])}

    def _s3_GetObject(self, client: Any, Bucket: str, Key: str, Range: str = "", IfMatch: str = "", **_: Any) -> Any:
        if Key not in self.objects[Bucket]:
            raise _refusal(client, "NoSuchKey", "GetObject", 404)
        content = self.objects[Bucket][Key]
        if IfMatch and IfMatch != _etag(content):
            raise _refusal(client, "PreconditionFailed", "GetObject", 412)
        if Range:
            first, last = Range.removeprefix("bytes=").split("-")
            content = content[int(first) : int(last) + 1 if last else None]
        body = StreamingBody(io.BytesIO(content), len(content))
        return {"Body": body, "ETag": _etag(self.objects[Bucket][Key]), "ContentLength": len(content)}

    def _s3_DeleteObject(self, client: Any, Bucket: str, Key: str) -> Any:
        self.objects[Bucket].pop(Key, None)
        return {}

    def _s3_DeleteObjects(self, client: Any, Bucket: str, Delete: Any) -> Any:
        for each in Delete["Objects"]:
            self.objects[Bucket].pop(each["Key"], None)
        return {}

    def _s3_ListObjectsV2(self, client: Any, Bucket: str, Prefix: str = "", **_: Any) -> Any:
        keys = sorted(key for key in self.objects[Bucket] if key.startswith(Prefix))
        return {"Contents": [{"Key": key, "Size": len(self.objects[Bucket][key])} for key in keys]}

    def _s3_CreateMultipartUpload(self, client: Any, **_: Any) -> Any:
        upload = self.next_id()
        self.uploads[upload] = {}
        return {"UploadId": upload}

    def _s3_UploadPart(self, client: Any, UploadId: str, PartNumber: int, Body: bytes, **_: Any) -> Any:
        self.uploads[UploadId][PartNumber] = Body
        return {"ETag": _etag(Body), "ChecksumCRC32": "checksum"}

    def _s3_CompleteMultipartUpload(self, client: Any, Bucket: str, Key: str, UploadId: str, **_: Any) -> Any:
        if UploadId not in self.uploads:
            raise _refusal(client, "NoSuchUpload", "CompleteMultipartUpload", 404)
        self.objects[Bucket][Key] = b"".join(part for _, part in sorted(self.uploads.pop(UploadId).items()))
        return {}

    def _s3_AbortMultipartUpload(self, client: Any, UploadId: str, **_: Any) -> Any:
        self.uploads.pop(UploadId, None)
        return {}

    def _sts_AssumeRole(self, client: Any, RoleSessionName: str, **_: Any) -> Any:
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        return {"Credentials": {name: f"{name}-of-{RoleSessionName}" for name in names}}

    def _ses_SendEmail(self, client: Any, **mail: Any) -> Any:
        self.mails.append(mail)
        return {"MessageId": self.next_id()}

    _sesv2_SendEmail = _ses_SendEmail

    def _cloudfront_CreateInvalidation(self, client: Any, **_: Any) -> Any:
        return {"Invalidation": {"Id": self.next_id(), "Status": "InProgress"}}


def with_unchanged_attributes(call: Callable[[dict[str, Any]], Any], parameters: dict[str, Any]) -> Any:
    """Adds the attributes to UPDATED_NEW whose value did not change: DynamoDB returns them, moto does not."""
    if parameters.get("ReturnValues") != "UPDATED_NEW":
        return call(parameters)
    response = call(parameters | {"ReturnValues": "ALL_NEW"})
    updated = re.findall(r"(\w+) =", parameters["UpdateExpression"])
    return response | {"Attributes": {name: response["Attributes"][name] for name in updated}}


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _refusal(client: Any, code: str, operation: str, status: int = 400) -> ClientError:
    error = client.exceptions.from_code(code)
    refused: ClientError = error({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)
    return refused
