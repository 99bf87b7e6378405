"""What no API of the front door answers goes to the CDN, as on the web: `https://<site>/...`."""

from __future__ import annotations

import http.client
import re
import string
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote, urlsplit

from apigw_executor.deployment import Deployment
from apigw_executor.messages import Pairs, Request, Response
from apigw_executor.ports import Answer, EndpointDown
from apigw_executor.web_acl import Firewall
from local.credentials import TOKEN_HEADER

# Of one connection, and not of the message: RFC 9110, section 7.6.1.
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"),
    "upgrade",
}
# Said anew for the message as the front door sends it.
OWN = {"content-length", "date", "server"}
TIMEOUT = 35.0  # seconds; CloudFront gives up an origin after 30


def distribution(resources: Iterable[Mapping[str, Any]], stage: str) -> str:
    """The domain name of the deployed CDN; empty if there is none."""
    name = f"/setpieces/{stage}/edge/distribution-domain"
    published = (resource["properties"] for resource in resources if resource.get("type") == "AWS::SSM::Parameter")
    return next((str(properties["Value"]) for properties in published if properties.get("Name") == name), "")


def file_patterns(resources: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The path patterns that the deployed CDN reads from its bucket, and not from the load balancer."""
    found: list[str] = []
    for resource in resources:
        if resource.get("type") == "AWS::CloudFront::Distribution":
            config = resource["properties"]["DistributionConfig"]
            buckets = {origin["Id"] for origin in config["Origins"] if "S3OriginConfig" in origin}
            behaviors = config.get("CacheBehaviors") or ()
            found += [each["PathPattern"] for each in behaviors if each["TargetOriginId"] in buckets]
    return tuple(found)


def viewer_headers(resources: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The headers that deployed functions of the CDN set to the viewer's address, read in their code: nothing runs it here."""
    functions = (each["properties"] for each in resources if each.get("type") == "AWS::CloudFront::Function")
    return tuple(name for each in functions for name in _VIEWER_ADDRESS.findall(str(each["FunctionCode"])))


_VIEWER_ADDRESS = re.compile(r"request\.headers\['([a-z-]+)'\] = \{value: event\.viewer\.ip\}")


def refuse(deployment: Deployment, firewall: Firewall, request: Request) -> Response | None:
    """The refusal of the web ACL of the load balancer, None if it lets the request through."""
    acl, path = deployment.balancer_acl, request.public_path
    if acl is None or any(fnmatchcase(path, pattern) for pattern in deployment.cdn_files):
        return None
    verdict = firewall.evaluate(acl, request)
    if verdict.action == "Allow":
        return None
    return verdict.response or Response(403, [("Content-Type", "text/html")], b"<html><h1>403 Forbidden</h1></html>")


def fetch(endpoint: str, token: str, domain: str, method: str, target: str, headers: Pairs, body: bytes) -> Answer:
    """The CDN's answer; `target` goes over the wire as it came, dot segments and escapes included. Raises EndpointDown.

    A client's request reaches the CDN over TLS, which ends here. The emulator serves its name to who has the ``token`` only.
    """
    address = urlsplit(endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT)
    try:
        connection.putrequest(
            method, quote(target, safe=string.printable, encoding="latin-1"), skip_host=True, skip_accept_encoding=True
        )
        connection.putheader("Host", domain)
        connection.putheader("X-Forwarded-Proto", "https")
        connection.putheader(TOKEN_HEADER, token)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP | OWN | {"host", "x-forwarded-proto", TOKEN_HEADER}:
                connection.putheader(name, value.encode("latin-1"))
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP | OWN]
        return Answer(response.status, tuple(kept), response.read())
    except (OSError, http.client.HTTPException) as error:
        raise EndpointDown(f"{domain}: {error}") from None
    finally:
        connection.close()
