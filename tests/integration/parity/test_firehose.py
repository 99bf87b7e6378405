"""The patches of ``local.emulator.patches.firehose``, beside an emulator without patches."""

import gzip
import json

import pytest

from model.settings import REGION
from tests.integration.two_emulators import Cloud, error_code
from tools.client import eventually, unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_firehose_deliveries(plain: Cloud, patched: Cloud):
    code = (
        "def handler(event, context):\n"
        "    def processed(r): return r | {'result': 'ProcessingFailed' if r['data'] == 'Ymxh' else 'Ok'}\n"
        "    return {'records': [processed(record) for record in event['records']]}"
    )

    def delivered_objects(cloud: Cloud, *folders: str) -> tuple[dict[str, list[bytes]], str]:
        """(objects by folder once the valid records and ``folders`` exist, error code of a batch that is too large)"""
        s3, firehose, name = cloud.aws("s3"), cloud.aws("firehose"), unique("stream")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        to = {"BucketARN": f"arn:aws:s3:::{name}", "RoleARN": cloud.role("firehose"), "CompressionFormat": "GZIP"}
        processor_parameters = [{"ParameterName": "LambdaArn", "ParameterValue": cloud.function(code)}]
        firehose.create_delivery_stream(
            DeliveryStreamName=name,
            ExtendedS3DestinationConfiguration=to
            | {
                "Prefix": "good/",
                "ErrorOutputPrefix": "bad/",
                "ProcessingConfiguration": {
                    "Enabled": True,
                    "Processors": [{"Type": "Lambda", "Parameters": processor_parameters}],
                },
                "S3BackupMode": "Enabled",
                "S3BackupConfiguration": to | {"Prefix": "source/"},
            },
        )
        records = [{"Data": data} for data in (b"one\n", b"bla", b"two\n")]
        firehose.put_record_batch(DeliveryStreamName=name, Records=records)

        def objects() -> dict[str, list[bytes]]:
            by_folder: dict[str, list[bytes]] = {}
            for each in s3.list_objects_v2(Bucket=name).get("Contents", []):
                content = s3.get_object(Bucket=name, Key=each["Key"])["Body"].read()
                plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
                by_folder.setdefault(each["Key"].partition("/")[0], []).append(plain)
            # Objects of the unpatched emulator have random names, and so no order.
            complete = b"".join(sorted(by_folder.get("good", []))) == b"one\ntwo\n" and by_folder.keys() >= set(folders)
            return by_folder if complete else {}

        large = [{"Data": b"x" * 1_000_000}] * 5
        return eventually(objects), error_code(firehose.put_record_batch, DeliveryStreamName=name, Records=large)

    objects, refusal = delivered_objects(plain)
    assert sorted(objects) == ["good"]
    assert len(objects["good"]) == 2
    assert refusal == ""
    # A delivery writes its objects one by one.
    objects, refusal = delivered_objects(patched, "source", "bad")
    assert objects["good"] == [b"one\ntwo\n"]
    assert objects["source"] == [b"one\nblatwo\n"]
    assert [json.loads(content)["rawData"] for content in objects["bad"]] == ["Ymxh"]
    assert refusal == "InvalidArgumentException"
