"""Callers without permissions."""

import boto3

from tools.client import Shop


def stranger(shop: Shop) -> boto3.Session:
    """A session of the account's role that has no permissions (templates/delivery.yaml)."""
    account = shop.address("event-bus", "bus-arn").split(":")[4]
    role = f"arn:aws:iam::{account}:role/setpieces-stranger-{shop.stage}"
    keys = shop.aws("sts").assume_role(RoleArn=role, RoleSessionName="stranger")["Credentials"]
    return boto3.Session(
        keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=shop.session.region_name
    )
