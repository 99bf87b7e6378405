"""What no API of the front door answers goes to the CDN, as on the web: `https://<site>/...`."""

from __future__ import annotations

import http.client
import string
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from local.credentials import TOKEN_HEADER
from local.gateway.messages import Pairs
from local.gateway.ports import Answer, EmulatorDown

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


def fetch(endpoint: str, token: str, domain: str, method: str, target: str, headers: Pairs, body: bytes) -> Answer:
    """The CDN's answer; `target` goes over the wire as it came, dot segments and escapes included. Raises EmulatorDown.

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
        raise EmulatorDown(f"{domain}: {error}") from None
    finally:
        connection.close()
