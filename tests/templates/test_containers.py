"""Requirements of a container on ECS."""

import re

import pytest

from model.settings import ROOT
from model.templates import iter_resources

CONTAINERS = [
    pytest.param(task, container, id=f"{piece.service} {container['Name']}")
    for piece, _, task in iter_resources("AWS::ECS::TaskDefinition")
    for container in task["ContainerDefinitions"]
]


@pytest.mark.parametrize(("task", "container"), CONTAINERS)
def test_a_container_that_cannot_be_written_to_has_a_place_for_temporary_files(task, container):
    """Fargate gives a mount the rights that the image has at a volume of its own there."""
    assert container["ReadonlyRootFilesystem"]
    names = {volume["Name"] for volume in task["Volumes"]}
    mounts = {
        mount["ContainerPath"]
        for mount in container["MountPoints"]
        if mount["SourceVolume"] in names and not mount["ReadOnly"]
    }
    declared = set(re.findall(r"^VOLUME (\S+)$", (ROOT / container["Name"] / "Dockerfile").read_text(), re.MULTILINE))
    assert "/tmp" in mounts & declared


def test_a_scaled_service_declares_no_desired_count():
    for piece, name, service in iter_resources("AWS::ECS::Service"):
        scaled = [
            target["ResourceId"] for target in piece.of_type("AWS::ApplicationAutoScaling::ScalableTarget").values()
        ]
        assert "DesiredCount" not in service or not scaled, f"{piece.service} {name}"
