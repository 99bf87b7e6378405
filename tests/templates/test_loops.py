"""What a ``Fn::ForEach`` may repeat: packaging looks only for includes in loops, and for no other local paths."""

from typing import Any

import pytest

from model.settings import ROOT
from model.sources import LOOP, read
from model.templates import PACKAGED

LOOPS = [
    pytest.param(repeated, id=f"{path.stem} {name.removeprefix(LOOP)}")
    for path in sorted((ROOT / "templates").glob("*.yaml"))
    for name, repeated in read(path).document["Resources"].items()
    if name.startswith(LOOP)
]


def test_there_are_loops():
    assert LOOPS


@pytest.mark.parametrize("repeated", LOOPS)
def test_a_loop_has_no_resources_with_local_paths(repeated: list[Any]):
    _, _, resources = repeated
    assert {resource["Type"] for resource in resources.values()}.isdisjoint(PACKAGED)
