"""What a ``Fn::ForEach`` may repeat: checkov does not expand loops, and packaging does not look for local paths in them."""

from typing import Any

import pytest

from model.settings import ROOT
from model.sources import LOOP, read

UNCHECKED = {"AWS::CloudWatch::Alarm"}
LOOPS = [
    pytest.param(repeated, id=f"{path.stem} {name.removeprefix(LOOP)}")
    for path in sorted((ROOT / "templates").glob("*.yaml"))
    for name, repeated in read(path).document["Resources"].items()
    if name.startswith(LOOP)
]


def test_there_are_loops():
    assert LOOPS


@pytest.mark.parametrize("repeated", LOOPS)
def test_a_loop_has_only_resources_without_policy_checks(repeated: list[Any]):
    _, _, resources = repeated
    assert {resource["Type"] for resource in resources.values()} <= UNCHECKED
