"""Patches of S3."""

import inspect
from typing import Any

from local.emulator.patch import NoLongerNeeded, patch, replace_in_function


@patch(
    "filled-buckets",
    area="deployment",
    aws="a bucket with an object or an old version cannot be deleted, and its stack ends in DELETE_FAILED",
    emulator="it is deleted with all objects",
    reason="make destroy empties the bucket of artifacts; all other buckets are retained",
    upstream="not reported",
)
def reject_deletion_of_nonempty_buckets() -> None:
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    delete = handlers["delete"]
    if "objects" in inspect.getsource(delete):
        raise NoLongerNeeded("buckets with objects are kept")

    def delete_empty(name: str, properties: dict[str, Any]) -> None:
        if s3._buckets.get(name, {}).get("objects") or any(
            bucket == name and versions for (bucket, _), versions in s3._object_versions.items()
        ):
            raise ValueError("The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
        delete(name, properties)

    handlers["delete"] = delete_empty


@patch(
    "missing-objects",
    area="permissions",
    aws="reading a missing object is 404 only for a caller with s3:ListBucket on the bucket, 403 for others",
    emulator="it is 404 for all callers with s3:GetObject",
    reason=(
        "code that expects NoSuchKey would not receive it on AWS; a condition on s3:prefix fails, because a read "
        "has no prefix"
    ),
    upstream="not reported",
)
def return_403_without_list_permission() -> None:
    from ministack.core import iam_actions
    from ministack.services import s3

    if "s3:ListBucket" in inspect.getsource(iam_actions.s3_additional_checks):
        raise NoLongerNeeded("a read of a missing object needs s3:ListBucket")
    additional_checks = iam_actions.s3_additional_checks

    def checks_with_listing(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> list[tuple[str, str]]:
        checks = additional_checks(method, path, headers, body, query)
        reads = [arn.removeprefix("arn:aws:s3:::") for action, arn in checks if action == "s3:GetObject"]
        if iam_actions._s3_action(method, path, query) == "GetObject":
            reads.append(path.lstrip("/"))
        for bucket, _, key in (read.partition("/") for read in reads):
            contents = s3._ensure_bucket(bucket)
            if contents is not None and key not in contents["objects"]:
                checks.append(("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
        return checks

    iam_actions.s3_additional_checks = checks_with_listing


@patch(
    "cdn-missing-files",
    area="edge",
    aws="a file that is not in the bucket is 404, if the CDN may list the bucket",
    emulator="it is always 403",
    reason="a crawler drops a sitemap that is 404, and retries one that is 403",
    upstream="not reported",
)
def return_404_to_cdn_with_list_permission() -> None:
    from ministack.services import s3

    replace_in_function(
        s3,
        "_cloudfront_origin_allows",
        """        action="s3:GetObject",
        resource_arn=f"arn:aws:s3:::{bucket_name}/{key}",
""",
        """        action="s3:GetObject" if key else "s3:ListBucket",
        resource_arn=f"arn:aws:s3:::{bucket_name}/{key}".removesuffix("/"),
""",
    )
    replace_in_function(
        s3,
        "serve_cloudfront_origin_fetch",
        ' or key not in bucket["objects"]:',
        """ or (
        key not in bucket["objects"] and not _cloudfront_origin_allows(owner, bucket_name, "", source_arn, oai_id)
    ):""",
    )
