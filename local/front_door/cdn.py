"""Forwards requests for pages to the deployed CDN, which on AWS serves ``https://<site>/...``."""

from __future__ import annotations

import http.client
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote, urlsplit

from apigw_executor.deployment import Deployment
from apigw_executor.messages import Pairs, Request, Response
from apigw_executor.ports import Answer, EndpointDown
from apigw_executor.web_acl import Firewall, WebAcl
from local.credentials import TOKEN_HEADER

# Headers of a connection, not of the message: RFC 9110, section 7.6.1.
HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"),
    "upgrade",
}
# Headers that the front door sets itself.
OWN = {"content-length", "date", "server"}
TIMEOUT = 35.0  # seconds; CloudFront's timeout for an origin is 30


@dataclass(frozen=True)
class Site(Deployment):
    """A deployment with its CDN, whose domain name is ``domain``, or empty without a CDN.

    Its origins are a bucket for the path patterns ``files``, and a load balancer for all other paths. It sets
    ``viewer_headers`` to the address of the viewer.
    """

    domain: str = ""
    files: tuple[str, ...] = ()
    viewer_headers: tuple[str, ...] = ()

    @property
    def balancer_acl(self) -> WebAcl | None:
        """The web ACL of the load balancer."""
        acls = (acl for arn, acl in self.web_acls.items() if arn.split(":")[2:3] == ["elasticloadbalancing"])
        return next(acls, None)


def distribution(resources: Iterable[Mapping[str, Any]], stage: str) -> str:
    """The domain name of the deployed CDN; empty if there is none."""
    name = f"/setpieces/{stage}/edge/distribution-domain"
    published = (resource["properties"] for resource in resources if resource.get("type") == "AWS::SSM::Parameter")
    return next((str(properties["Value"]) for properties in published if properties.get("Name") == name), "")


def file_patterns(resources: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The path patterns whose origin is a bucket of the deployed CDN, not the load balancer."""
    patterns: list[str] = []
    for resource in resources:
        if resource.get("type") == "AWS::CloudFront::Distribution":
            config = resource["properties"]["DistributionConfig"]
            buckets = {origin["Id"] for origin in config["Origins"] if "S3OriginConfig" in origin}
            behaviors = config.get("CacheBehaviors") or ()
            patterns += [each["PathPattern"] for each in behaviors if each["TargetOriginId"] in buckets]
    return tuple(patterns)


def viewer_headers(resources: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The headers that deployed CloudFront functions set to the viewer's address, found in their code."""
    functions = (each["properties"] for each in resources if each.get("type") == "AWS::CloudFront::Function")
    return tuple(name for each in functions for name in _VIEWER_ADDRESS.findall(str(each["FunctionCode"])))


_VIEWER_ADDRESS = re.compile(r"request\.headers\['([a-z-]+)'\] = \{value: event\.viewer\.ip\}")


def refuse(site: Site, firewall: Firewall, request: Request) -> Response | None:
    """The response of the load balancer's web ACL to a blocked request; None if the request is allowed."""
    acl, path = site.balancer_acl, request.public_path
    if acl is None or any(fnmatchcase(path, pattern) for pattern in site.files):
        return None
    verdict = firewall.evaluate(acl, request)
    if verdict.action == "Allow":
        return None
    return verdict.response or Response(403, [("Content-Type", "text/html")], b"<html><h1>403 Forbidden</h1></html>")


def fetch(endpoint: str, token: str, domain: str, method: str, target: str, headers: Pairs, body: bytes) -> Answer:
    """The response of the CDN. Raises ``EndpointDown``.

    ``target`` is sent unchanged, including dot segments and escapes. ``X-Forwarded-Proto`` is ``https``, because on AWS the
    client uses TLS. ``Origin`` and ``Location`` name the site, which is ``https://<domain>`` behind the CDN, and the front door
    for its clients. The emulator serves the domain name only with the ``token``.
    """
    address = urlsplit(endpoint)
    host = next((value for name, value in headers if name.lower() == "host"), "")
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
                site_value = _origin_of_site(value, host, domain) if name.lower() == "origin" else value
                connection.putheader(name, site_value.encode("latin-1"))
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        end_to_end = [
            (name, _location_at_front_door(value, host, domain) if name.lower() == "location" else value)
            for name, value in response.getheaders()
            if name.lower() not in HOP_BY_HOP | OWN
        ]
        return Answer(response.status, tuple(end_to_end), response.read())
    except (OSError, http.client.HTTPException) as error:
        raise EndpointDown(f"{domain}: {error}") from None
    finally:
        connection.close()


def _origin_of_site(origin: str, host: str, domain: str) -> str:
    """``Origin`` as the site receives it: its own for pages of the front door; ``null`` for its name, which is foreign here."""
    if origin == f"http://{host}":
        return f"https://{domain}"
    own_name = origin.lower() in (f"http://{domain.lower()}", f"https://{domain.lower()}")
    return "null" if own_name else origin


def _location_at_front_door(location: str, host: str, domain: str) -> str:
    """``Location`` with the front door in place of the site."""
    own = re.match(rf"https?://{re.escape(domain)}(?=[/?#]|$)", location, re.IGNORECASE)
    return f"http://{host}{location[own.end() :]}" if own and host else location
