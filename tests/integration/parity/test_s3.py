"""The patches of ``local.emulator.patches.s3``, beside an emulator without patches."""

import json
from typing import Any

import httpx
import pytest

from model.settings import REGION
from tests.integration.two_emulators import Cloud, allow, error_code, printed_numbers
from tools.client import unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_filled_buckets(plain: Cloud, patched: Cloud):
    for cloud, status in ((plain, "DELETE_COMPLETE"), (patched, "DELETE_FAILED")):
        bucket, s3 = unique("bucket"), cloud.aws("s3")
        properties = {"BucketName": bucket, "VersioningConfiguration": {"Status": "Enabled"}}
        stack, _ = cloud.stack({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}})
        s3.put_object(Bucket=bucket, Key="file", Body=b"")
        s3.delete_object(Bucket=bucket, Key="file")
        cloud.aws("cloudformation").delete_stack(StackName=stack)
        assert cloud.deletion_status(stack) == status


def test_missing_objects(plain: Cloud, patched: Cloud):
    """The error of reading a missing key: for a role that may only read, for one that may also list, and with a
    presigned URL of the first."""

    def errors(cloud: Cloud) -> list[Any]:
        bucket, s3 = unique("bucket").lower(), cloud.aws("s3")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=bucket, Key="there", Body=b"")
        read = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
        everything = allow("s3:ListBucket", f"arn:aws:s3:::{bucket}")
        of_a_prefix = allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", StringLike={"s3:prefix": "miss*"})
        put = allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*")
        reader, lister, by_prefix, copier = (
            cloud.aws("s3", cloud.session(read, *more)) for more in ([], [everything], [of_a_prefix], [put])
        )
        assert error_code(reader.get_object, Bucket=bucket, Key="there") == ""
        link = reader.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "missing"})
        source = {"Bucket": bucket, "Key": "missing"}
        return [
            *(error_code(caller.get_object, Bucket=bucket, Key="missing") for caller in (reader, lister, by_prefix)),
            *(error_code(caller.head_object, Bucket=bucket, Key="missing") for caller in (reader, lister)),
            error_code(copier.copy_object, Bucket=bucket, Key="copy", CopySource=source),
            httpx.get(link).status_code,
        ]

    assert errors(plain) == ["NoSuchKey", "NoSuchKey", "NoSuchKey", "404", "404", "NoSuchKey", 404]
    assert errors(patched) == ["AccessDenied", "NoSuchKey", "AccessDenied", "403", "404", "AccessDenied", 403]


@pytest.mark.parametrize(("may", "status"), [("", 403), ("s3:ListBucket", 404)])
def test_cdn_missing_files(may: str, status: int):
    actions = {"s3:GetObject": "arn:aws:s3:::files/*"} | ({may: "arn:aws:s3:::files"} if may else {})
    cdn = {"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}}
    statements = [cdn | {"Action": action, "Resource": resource} for action, resource in actions.items()]
    code = f"""
from ministack.services import s3
s3._create_bucket("files", b"", {{}})
s3._bucket_policies["files"] = {json.dumps({"Version": "2012-10-17", "Statement": statements})!r}
print(s3.serve_cloudfront_origin_fetch("files", "missing", "GET", {{}}, "arn:aws:cloudfront::1:distribution/D")[0])
"""
    assert printed_numbers("cdn-missing-files", code) == (403, status)
