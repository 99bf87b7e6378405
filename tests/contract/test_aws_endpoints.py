"""The layer's endpoints of AWS services: botocore resolves each as it does with its own data."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from botocore.loaders import create_loader
from botocore.regions import EndpointResolver

from model.settings import ROOT
from pages import aws_endpoints

LOADER = create_loader()
OURS = json.loads(aws_endpoints.FILE.read_text())
THEIRS = LOADER.load_data("endpoints")
REGIONS = [
    (partition["partition"], region)
    for partition in THEIRS["partitions"]
    for region in [*partition["regions"], "aws-global"]
]
CLIENT = re.compile(r'client\("(\w+)"')


@pytest.mark.parametrize("service", aws_endpoints.services())
def test_the_endpoint_of_each_region_is_that_of_botocore(service: str):
    prefix = LOADER.load_service_model(service, "service-2")["metadata"]["endpointPrefix"]
    for partition, region in REGIONS:
        assert _endpoint(OURS, prefix, partition, region) == _endpoint(THEIRS, prefix, partition, region)


def _endpoint(data: dict[str, Any], prefix: str, partition: str, region: str) -> dict[str, Any]:
    endpoint = EndpointResolver(data).construct_endpoint(prefix, region, partition)
    assert endpoint
    return {name: value for name, value in endpoint.items() if name != "variants"}


def test_the_services_are_those_that_functions_call():
    called = {name for file in ROOT.glob("functions/**/*.py") for name in CLIENT.findall(file.read_text())}
    assert {*called, *aws_endpoints.SDK_SERVICES} == set(aws_endpoints.services())


@pytest.mark.parametrize(
    ("environment", "is_found"),
    [
        ({"LAMBDA_TASK_ROOT": "/var/task"}, True),
        ({}, False),
        ({"LAMBDA_TASK_ROOT": "/var/task", "AWS_DATA_PATH": "/"}, False),
    ],
)
def test_functions_alone_read_the_endpoints_of_the_layer(environment: dict[str, str], is_found: bool):
    code = (
        "import setpieces, botocore.session as b; "
        "print(b.get_session().get_component('data_loader').load_data_with_path('endpoints')[1])"
    )
    environment = {"PYTHONPATH": str(ROOT / "functions" / "common")} | environment
    process = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert (f"{process.stdout.strip()}.json" == str(aws_endpoints.FILE)) is is_found
