"""Which resource a path leads to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apigw_executor.routes import Routes

PATHS = ("/", "/v1", "/v1/a", "/v1/{id}", "/v1/{id}/b", "/v1/a/c", "/v1/{id}/d/{proxy+}", "/w/{all+}")
ROUTES = Routes({path: {} for path in PATHS})


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/", "/", {}),
        ("", "/", {}),
        ("/v1", "/v1", {}),
        ("/v1/", "/v1", {}),
        ("/v1/a", "/v1/a", {}),
        ("/v1/A", "/v1/{id}", {"id": "A"}),
        ("/v1/%61", "/v1/{id}", {"id": "%61"}),
        ("/v1/x%2Fy", "/v1/{id}", {"id": "x%2Fy"}),
        ("/v1/..", "/v1/{id}", {"id": ".."}),
        ("/v1/a/b", "/v1/{id}/b", {"id": "a"}),
        ("/v1/a/c", "/v1/a/c", {}),
        ("/v1/a/d/e/f", "/v1/{id}/d/{proxy+}", {"id": "a", "proxy": "e/f"}),
        ("/w/x", "/w/{all+}", {"all": "x"}),
        ("/w/x/y%20z/..", "/w/{all+}", {"all": "x/y%20z/.."}),
    ],
)
def test_match(path: str, resource: str, parameters: dict[str, str]) -> None:
    match = ROUTES.match(path)
    assert match is not None
    assert (match.resource_path, match.parameters) == (resource, parameters)


@pytest.mark.parametrize("path", ["/v2", "/v1//b", "//v1", "/v1/x/y", "/w", "/w/", "/v1/x/d", "/V1"])
def test_no_match(path: str) -> None:
    assert ROUTES.match(path) is None


@given(st.text(max_size=40))
def test_any_path_has_an_answer(path: str) -> None:
    match = ROUTES.match(path)
    assert match is None or match.resource_path.startswith("/")
