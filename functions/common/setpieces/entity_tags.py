"""Entity tags of things that have a version (RFC 9110, 8.8.3). Pure."""

import re

# A strong entity tag of ours; weak ones never match an If-Match (13.1.1).
_VERSION = re.compile(r'(?<![^\s,])"([0-9]{1,15})"')
MAX_TAGS = 10


def entity_tag(version: int) -> str:
    """The ``ETag`` of a version."""
    return f'"{version}"'


def parse_if_match(if_match: str) -> frozenset[int]:
    """The versions that an ``If-Match`` names, of its first ten tags; tags that are none of ours name nothing."""
    return frozenset(int(version) for version in _VERSION.findall(if_match)[:MAX_TAGS])
