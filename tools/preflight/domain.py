"""The shop's own domain name: a certificate that covers it, a hosted zone, and no record of that name."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from tools.preflight.account import Account
from tools.preflight.findings import MISSING, OK, Finding, error_code

CLOUDFRONT_REGION = "us-east-1"  # CloudFront accepts only certificates of this region


def domain(account: Account) -> Iterator[Finding]:
    """``DomainName``, ``CertificateId`` and ``HostedZoneId`` of the stage, if it has a CDN."""
    if not account.of_type("AWS::CloudFront::Distribution"):
        return
    name = account.parameters.get("DomainName", "")
    if not name:
        yield Finding(OK, "DomainName is not set: the shop uses CloudFront's domain name")
        return
    yield _certificate(account, name)
    yield _hosted_zone(account, name)


def _certificate(account: Account, name: str) -> Finding:
    certificate_id = account.parameters.get("CertificateId", "none")
    arn = f"arn:aws:acm:{CLOUDFRONT_REGION}:{account.id}:certificate/{certificate_id}"
    request = f"aws acm request-certificate --region {CLOUDFRONT_REGION} --domain-name {name} --validation-method DNS"
    request += "; then set CertificateId"
    try:
        certificate = account.client("acm", CLOUDFRONT_REGION).describe_certificate(CertificateArn=arn)["Certificate"]
    except ClientError as error:
        if error_code(error) not in ("ResourceNotFoundException", "ValidationException", "InvalidArnException"):
            raise
        return Finding(MISSING, f"certificate {arn} does not exist", request)
    if certificate["Status"] != "ISSUED":
        return Finding(
            MISSING,
            f"the certificate of {name} is {certificate['Status']}",
            "Publish its validation records in DNS, and wait until it is ISSUED.",
        )
    names = {certificate["DomainName"], *certificate.get("SubjectAlternativeNames", ())}
    if not names & {name, f"*.{name.partition('.')[2]}"}:
        return Finding(MISSING, f"the certificate is for {', '.join(sorted(names))}, not for {name}", request)
    return Finding(OK, f"the certificate of {name} is issued")


def _hosted_zone(account: Account, name: str) -> Finding:
    zone, client = account.parameters.get("HostedZoneId", ""), account.client("route53")
    create = f"aws route53 create-hosted-zone --name {name.partition('.')[2]} --caller-reference {name}"
    create += "; then set HostedZoneId, and delegate the domain to it"
    try:
        zone_domain = client.get_hosted_zone(Id=zone or "none")["HostedZone"]["Name"].rstrip(".")
    except ClientError as error:
        if error_code(error) not in ("NoSuchHostedZone", "InvalidInput"):
            raise
        return Finding(MISSING, f"hosted zone {zone!r} does not exist", create)
    if name != zone_domain and not name.endswith(f".{zone_domain}"):
        return Finding(MISSING, f"hosted zone {zone} is for {zone_domain}, not for {name}", create)
    page = client.list_resource_record_sets(HostedZoneId=zone, StartRecordName=name, MaxItems="10")
    record_types = [
        record["Type"]
        for record in page["ResourceRecordSets"]
        if record["Name"].rstrip(".") == name and record["Type"] in ("A", "AAAA", "CNAME")
    ]
    if record_types:
        return Finding(
            MISSING,
            f"{name} already has a record: {', '.join(record_types)}",
            "Delete it before the deployment, which creates its own.",
        )
    return Finding(OK, f"{name} has no record in hosted zone {zone}")
