"""Requests in which customer A tries to reach customer B: all spellings that a router or a policy may read otherwise.

The same list on every run, so that a failure can be reproduced.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

RESOURCES = ("profile", "rewards")
METHODS = ("GET", "PATCH", "HEAD", "PUT", "POST", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class Attempt:
    """One request; ``path`` goes onto the wire as it stands."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.headers or ''} {self.body or ''}".strip()


def escaped(text: str, times: int = 1) -> str:
    """Every character percent-encoded, also those that need not be; ``times`` over."""
    encoded = "".join(f"%{byte:02X}" for byte in text.encode())
    return encoded if times == 1 else encoded.replace("%", "%25" * (times - 1))


def spellings(other: str, own: str) -> Iterator[str]:
    """The other customer's id as a path segment, in ways in which something along the way may take it for the id."""
    yield from (other, other.lower(), other.swapcase(), escaped(other), escaped(other).lower(), escaped(other, 2))
    for place, letter in enumerate(other):
        yield other[:place] + escaped(letter) + other[place + 1 :]
        yield other[:place] + "%3F" + other[place + 1 :]
        yield other[:place] + "*"
    yield from (
        "*",
        "%2A",
        "**",
        "%3F" * len(other),
        "{customer_id}",
        "$input",
        "-",
        ".",
        "%2E",
        "%2e%2e",
        "null",
        "me",
    )
    yield from (
        f"{other}{tail}" for tail in ("%00", "%0A", "%20", "+", ".", ".json", ";", f";{own}", "%23", "%3Fx", "%5C", "~")
    )
    yield from (f"{lead}{other}" for lead in ("%00", "%20", "+", "./", "/", "%2F", "%5C", ".%2F", "%EF%BB%BF", "~"))
    yield from (
        f"{own}{join}{other}"
        for join in ("/../", "/..;/", "%2F..%2F", "%2f%2e%2e%2f", "/%2e%2e/", "%5C..%5C", "/./../")
    )
    yield from (
        f"{pair[0]}{join}{pair[1]}"
        for pair in ((own, other), (other, own))
        for join in (",", "%2C", "|", "%00", "&", ";")
    )
    # Digits that are not ASCII but equal under NFKC; a slash and a dot in more bytes than UTF-8 allows.
    yield "".join(escaped(chr(ord(char) + 0xFEE0)) for char in other)
    # The policy's `*` for the method may stand for slashes too.
    yield f"{other}/profile/v1/customers/{own}"
    yield from (f"{own}%C0%AF..%C0%AF{other}", f"{own}/%C0%AE%C0%AE/{other}")


def endings(resource: str) -> Iterator[str]:
    """What may follow the id."""
    yield from (
        f"/{resource}",
        f"/{resource}/",
        f"//{resource}",
        f"/{resource.upper()}",
        f"/{resource};a=b",
        f"%2F{resource}",
    )
    yield from (f"/./{resource}", f"/x/../{resource}", f"/{escaped(resource)}", f"/{resource}/..", f"/{resource}%00")


def prefixes(own: str) -> Iterator[str]:
    """What may stand before the id instead of ``/v1/customers/``, other stages included."""
    yield from (
        "/v1//customers/",
        "/V1/customers/",
        "/v1/CUSTOMERS/",
        "//v1/customers/",
        "/v1/./customers/",
        "/v1%2Fcustomers/",
    )
    yield from (f"/{stage}/v1/customers/" for stage in ("local", "dev", "prod", "*", "%2A"))
    yield from (
        f"/v1/customers/{own}/../",
        f"/v1/customers/{own}/profile/../../",
        f"/v1/customers/{own}/profile/",
        "/v1/x/../customers/",
    )


def disguises(other: str, path: str) -> Iterator[dict[str, str]]:
    """Headers by which some servers let a caller change the path, the method or the customer."""
    yield from ({name: path} for name in ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Path"))
    yield from ({name: "GET"} for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"))
    yield from ({name: other} for name in ("X-Customer-Id", "Customer-Id", "principalId", "X-Amzn-Principal"))


def bodies(other: str) -> Iterator[str]:
    """Changes that name the other customer where the path does not."""
    yield from (f'{{"customer_id": "{other}"}}', f'{{"customer_id": "{other}", "name": "Taken"}}', '{"name": "Taken"}')


def attempts(own: str, other: str) -> list[Attempt]:
    """All of them, each once; those on A's own paths only say B's id elsewhere."""
    candidates = [Attempt(method, f"/v1/customers/{other}/{name}") for method, name in product(METHODS, RESOURCES)]
    candidates += [
        Attempt(method, f"/v1/customers/{spelling}/{name}")
        for spelling, name, method in product(spellings(other, own), RESOURCES, ("GET", "PATCH", "DELETE"))
    ]
    candidates += [
        Attempt(method, f"/v1/customers/{other}{ending}")
        for name in RESOURCES
        for ending, method in product(endings(name), METHODS)
    ]
    candidates += [
        Attempt(method, f"{prefix}{other}/{name}")
        for prefix, name, method in product(prefixes(own), RESOURCES, METHODS)
    ]
    for owner, name in product((own, other), RESOURCES):
        path = f"/v1/customers/{owner}/{name}"
        other_path = f"/v1/customers/{other}/{name}"
        candidates += [
            Attempt(method, path, headers) for method in ("GET", "PATCH") for headers in disguises(other, other_path)
        ]
        candidates += [Attempt(method, f"{path}?customer_id={other}") for method in METHODS]
        candidates += [
            Attempt(method, path, {"If-Match": "*"}, body) for method in ("PATCH", "PUT") for body in bodies(other)
        ]
    return list({str(attempt): attempt for attempt in candidates}.values())
