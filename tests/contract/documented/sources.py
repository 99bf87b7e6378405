"""Where documented numbers are defined: resources by name, parameters, measured calls, lines of other files."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import yaml

from model.settings import ROOT, STAGE
from model.templates import iter_resources, name_of, pieces
from setpieces.backoff import backoff_seconds
from tests.contract.quantities import QUANTITY, values


class About(NamedTuple):
    """A value that a page rounds: a documented number within a tenth of it is correct."""

    value: float


# A number, or the reason why neither code nor a template defines it.
Value = float | About | str
# {page: {sentence with {} for each number: value of each number}}
Facts = dict[str, dict[str, Value | tuple[Value, ...]]]

_NAMES = {
    "AWS::Lambda::Function": "FunctionName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::CloudWatch::Alarm": "AlarmName",
}


@cache
def _by_name(kind: str) -> dict[str, dict[str, Any]]:
    """Properties by name without ``setpieces-<stage>-``."""
    return {
        str(properties[_NAMES[kind]]).removeprefix(f"setpieces-{STAGE}-"): properties
        for _, _, properties in iter_resources(kind)
    }


def function(name: str) -> dict[str, Any]:
    return _by_name("AWS::Lambda::Function")[name]


def queue(name: str) -> dict[str, Any]:
    return _by_name("AWS::SQS::Queue")[name]


def alarm(name: str) -> dict[str, Any]:
    return _by_name("AWS::CloudWatch::Alarm")[name]


def timeout(name: str) -> float:
    """The ``Timeout`` of a function, in seconds."""
    return float(function(name)["Timeout"])


def receives(name: str) -> float:
    """How often a queue delivers a message before it becomes a dead letter."""
    return float(queue(name)["RedrivePolicy"]["maxReceiveCount"])


def waits(receive_count: float) -> float:
    """The seconds that a message waits in all if each of ``receive_count`` deliveries fails."""
    return sum(backoff_seconds(count) for count in range(1, int(receive_count)))


def threshold(name: str) -> float:
    """The ``Threshold`` of an alarm."""
    return float(alarm(name)["Threshold"])


def evaluated(name: str) -> float:
    """The seconds that an alarm evaluates."""
    return float(alarm(name)["Period"] * alarm(name)["EvaluationPeriods"])


@cache
def consumer(name: str) -> dict[str, Any]:
    """The event source mapping of a function."""
    for piece, _, mapping in iter_resources("AWS::Lambda::EventSourceMapping"):
        target = piece.resources.get(name_of(mapping["FunctionName"]), {}).get("Properties", {})
        if target.get("FunctionName") == f"setpieces-{STAGE}-{name}":
            return mapping
    raise LookupError(name)


def at_once(name: str) -> float:
    """The maximum concurrency of a consumer."""
    return float(consumer(name)["ScalingConfig"]["MaximumConcurrency"])


def parameter(service: str, name: str) -> float:
    """The default of a template's parameter."""
    return float(pieces()[service].source["Parameters"][name]["Default"])


def resource(service: str, logical_id: str, *path: str | int) -> Any:
    """A property of a resource: ``resource("sitemaps", "Nightly", "Target", "RetryPolicy", ...)``."""
    value: Any = pieces()[service].resources[logical_id]["Properties"]
    for key in path:
        value = value[key]
    return value


def web_acls(service: str) -> dict[str, Any]:
    """The web ACLs of a service by logical id."""
    return pieces()[service].of_type("AWS::WAFv2::WebACL")


def rules(service: str) -> float:
    """How many rules the web ACLs of a service have together."""
    return float(sum(len(web_acl["Rules"]) for web_acl in web_acls(service).values()))


def calls(operation: str, service: str, *names: str) -> float:
    """The calls of an operation that ``make cost MEASURE=1`` counted, e.g. of ``dynamodb:UpdateItem``."""
    usage = json.loads((ROOT / "bench" / "operations.json").read_text())["operations"][operation]["pieces"][service]
    return float(sum(usage.get("calls", {}).get(name, 0) for name in names))


def writes(operation: str, service: str, table: str) -> float:
    """The write units of an operation for a table or an index, e.g. ``orders/Table/in-progress``."""
    usage = json.loads((ROOT / "bench" / "operations.json").read_text())["operations"][operation]["pieces"][service]
    return float(usage["units"][f"write {table}"])


def functions(service: str) -> dict[str, Any]:
    """The functions of a service by logical id."""
    return pieces()[service].of_type("AWS::Lambda::Function")


def schedule(service: str, logical_id: str) -> float:
    """The seconds between two runs of a schedule with a rate."""
    (interval,) = values(resource(service, logical_id, "ScheduleExpression").removeprefix("rate(").removesuffix(")"))
    return interval


def throttle(service: str, path: str = "/*", method: str = "*") -> float:
    """The requests a second that an API's stage allows."""
    for stage in pieces()[service].of_type("AWS::ApiGateway::Stage").values():
        for setting in stage["MethodSettings"]:
            if (setting["ResourcePath"], setting["HttpMethod"]) == (path, method):
                return float(setting["ThrottlingRateLimit"])
    raise LookupError(service, path, method)


@cache
def schema(service: str, name: str) -> dict[str, Any]:
    """A model of an API document."""
    document = yaml.safe_load((ROOT / "schemas" / "api" / f"{service}.yaml").read_text())
    model: dict[str, Any] = document["components"]["schemas"][name]
    return model


def state_machine(name: str) -> dict[str, Any]:
    """A definition in Amazon States Language."""
    definition: dict[str, Any] = json.loads((ROOT / "statemachines" / f"{name}.asl.json").read_text())
    return definition


def retries(name: str, error: str) -> float:
    """The seconds for which a state machine retries an error; the longest of its states."""

    def retriers(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            yield from (retrier for retrier in value.get("Retry", []) if error in retrier["ErrorEquals"])
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
            yield from retriers(inner)

    return max(
        sum(
            min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** attempt, retrier["MaxDelaySeconds"])
            for attempt in range(retrier["MaxAttempts"])
        )
        for retrier in retriers(state_machine(name))
    )


def external_systems() -> float:
    """How many external systems services may look up; ``partners`` publishes their addresses."""
    names = set()
    for path in (ROOT / "templates").rglob("*.yaml"):
        if path.stem != "partners":
            names |= set(re.findall(r"/partners/([a-z]+)-url", path.read_text()))
    return float(len(names))


def roles_that_use(service: str, logical_id: str) -> float:
    """How many roles of a service have a grant on one of its resources."""
    roles = pieces()[service].of_type("AWS::IAM::Role").values()
    return float(sum(f":{logical_id}'" in str(role.get("Policies")) for role in roles))


def nested(service: str) -> list[dict[str, Any]]:
    """The resources of the shop's template that nest a service's template."""
    resources = pieces()["shop"].source["Resources"].values()
    return [nested for nested in resources if str(nested["Properties"].get("Location", "")) == f"{service}.yaml"]


def independent_apis(service: str) -> float:
    """How many services with an API take no parameter from the stack of ``service``, which is one of them."""
    services = (name for name, piece in pieces().items() if piece.of_type("AWS::ApiGateway::RestApi"))
    references = (str(nested(name)) for name in services if name != service)
    return 1.0 + sum(f"['{service.title()}', 'Outputs." not in reference for reference in references)


def noncurrent_days(*rules: str) -> float:
    """The days for which buckets keep old versions of objects, which must be the same in lifecycle rules with these ids."""
    (days,) = {
        rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for piece, _, bucket in iter_resources("AWS::S3::Bucket")
        for rule in bucket.get("LifecycleConfiguration", {}).get("Rules", [])
        if rule["Id"] in rules and piece.service != "redirects"
    }
    return float(days)


def in_file(path: str, sentence: str) -> float:
    """The number at ``{}`` of a text in a file."""
    text = re.sub(r"\s+", " ", (ROOT / path).read_text())
    matches = re.findall(re.escape(sentence).replace(r"\{\}", f"({QUANTITY})"), text)
    assert matches, f"{path} does not have: {sentence}"
    (value,) = {value for match in matches for value in values(match)}
    return float(value)
