"""Which operation answers a request path.

A literal segment beats `{name}`, which beats `{name+}`; a branch that leads nowhere is left for the next best. Paths
are compared as they arrived, percent-encoded, so that `%2F` never splits a segment and no second spelling reaches a
literal. The values stay encoded in a Lambda proxy event, as a REST API leaves them there
(https://github.com/aws/aws-sam-cli/issues/771, https://github.com/hotsock/voker/pull/8), and are decoded once for
mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apigw_executor.document import ANY, Operation
from apigw_executor.document_shape import BadDocument


@dataclass(frozen=True)
class Match:
    """What a path leads to: its resource, the methods there and the path parameters, still percent-encoded."""

    resource_path: str
    operations: Mapping[str, Operation]
    parameters: Mapping[str, str]

    def operation(self, method: str) -> Operation | None:
        """The operation for `method`, or the ANY method."""
        return self.operations.get(method) or self.operations.get(ANY)


@dataclass
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    parameter: tuple[str, _Node] | None = None
    greedy: tuple[str, str] | None = None
    resource_path: str | None = None


class Routes:
    """The resource tree of one API. Raises `BadDocument` if two siblings are parameters."""

    def __init__(self, resources: Mapping[str, Mapping[str, Operation]]) -> None:
        self._resources = resources
        self._root = _Node()
        for path in resources:
            self._insert(path)

    def _insert(self, path: str) -> None:
        node = self._root
        for segment in _segments(path):
            if segment.startswith("{") and segment.endswith("+}"):
                node.greedy = (segment[1:-2], path)
                return
            if segment.startswith("{") and segment.endswith("}"):
                if node.parameter is None:
                    node.parameter = (segment[1:-1], _Node())
                if node.parameter[0] != segment[1:-1]:
                    # As in https://github.com/amazon-archives/aws-apigateway-importer/issues/202.
                    raise BadDocument(f"{path}: a sibling is {{{node.parameter[0]}}} already")
                node = node.parameter[1]
            else:
                node = node.literals.setdefault(segment, _Node())
        node.resource_path = path

    def match(self, raw_path: str) -> Match | None:
        """The best resource for `raw_path` (as on the wire, without the query), None if there is none.

        The path alone chooses: with GET on `/a/{x}` and ANY on `/{proxy+}`, a POST of `/a/1` finds no method.
        """
        segments = _segments(raw_path)
        target = self._walk(self._root, segments, 0, {})
        if target is None:
            return None
        resource_path, parameters = target
        return Match(resource_path, self._resources[resource_path], parameters)

    def _walk(
        self, node: _Node, segments: list[str], position: int, parameters: dict[str, str]
    ) -> tuple[str, dict[str, str]] | None:
        if position == len(segments):
            return (node.resource_path, parameters) if node.resource_path is not None else None
        segment = segments[position]
        literal = node.literals.get(segment)
        if literal is not None:
            target = self._walk(literal, segments, position + 1, parameters)
            if target is not None:
                return target
        if node.parameter is not None and segment:
            name, child = node.parameter
            target = self._walk(child, segments, position + 1, {**parameters, name: segment})
            if target is not None:
                return target
        rest = "/".join(segments[position:])
        if node.greedy is not None and rest:
            name, path = node.greedy
            return path, {**parameters, name: rest}
        return None


def _segments(path: str) -> list[str]:
    """`/a/b` and `/a/b/` are [a, b]: API Gateway takes one trailing slash for none; `/` is no segment at all."""
    trimmed = path.removeprefix("/").removesuffix("/")
    return trimmed.split("/") if trimmed else []
