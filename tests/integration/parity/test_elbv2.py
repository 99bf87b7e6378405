"""The patches of ``local.emulator.patches.elbv2``, beside an emulator without patches."""

import inspect

import httpx
import pytest
from ministack.services import alb

from local import emulator_client
from model.settings import REGION
from tests.integration.two_emulators import Cloud
from tools.client import unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def load_balancer(cloud: Cloud) -> str:
    """The path of a new load balancer whose target is a function that returns the query of its event."""
    ec2, elb = cloud.aws("ec2"), cloud.aws("elbv2")
    code = (
        "import json\ndef handler(event, context):\n"
        "    return {'statusCode': 200, 'body': json.dumps(event['multiValueQueryStringParameters'])}"
    )
    function, name = cloud.function(code), unique("lb")
    arn = cloud.aws("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate("ab")
    ]
    group = {
        "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "Properties": {
            "TargetType": "lambda",
            "Targets": [{"Id": arn}],
            "TargetGroupAttributes": [{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}],
        },
    }
    stack, status = cloud.stack({"Resources": {"Group": group}})
    assert status == "CREATE_COMPLETE"
    [deployed] = cloud.aws("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    balancer = elb.create_load_balancer(Name=name[:32], Subnets=zones)["LoadBalancers"][0]["LoadBalancerArn"]
    forward = {"Type": "forward", "TargetGroupArn": deployed["PhysicalResourceId"]}
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[forward])
    return f"/_alb/{name[:32]}"


def response_of(cloud: Cloud, path: str) -> httpx.Response:
    """The response of a load balancer."""
    return emulator_client.request("GET", path, endpoint=cloud.endpoint, secret=cloud.secret)


def test_declared_targets(plain: Cloud, patched: Cloud):
    assert response_of(plain, load_balancer(plain) + "/").status_code == 503
    assert response_of(patched, load_balancer(patched) + "/").status_code == 200


def test_target_group_names(plain: Cloud, patched: Cloud):
    group = {"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": {"TargetType": "lambda"}}
    name = {"Value": {"Fn::GetAtt": ["Group", "TargetGroupFullName"]}}

    def full_name(cloud: Cloud) -> str:
        stack, _ = cloud.stack({"Resources": {"Group": group}, "Outputs": {"Name": name}})
        (described,) = cloud.aws("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return described["Outputs"][0]["OutputValue"]

    assert not full_name(plain).startswith("targetgroup/")
    assert full_name(patched).startswith("targetgroup/")


def test_raw_queries(patched: Cloud):
    """The unpatched load balancer has no targets (declared-targets), so its code is checked."""
    response = response_of(patched, load_balancer(patched) + "/?a=%2541&a=b%20c&d")
    assert response.json() == {"a": ["%2541", "b%20c"], "d": [""]}
    assert (
        "raw_query_string"
        not in inspect.getsource(alb._invoke_lambda_target).partition("multiValueQueryString")[2][:120]
    )
