"""Alarms and dashboards look at series that exist: namespace, metric and the exact set of dimensions.

Those of AWS are in ``aws_metrics.yaml``, each with its source. Ours are read from the code of each function, and from the
metric filters: what a function puts has its service, and what any module of it adds, as dimensions.
"""

import ast
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from model.settings import ROOT
from model.sources import constants
from model.templates import Piece, definition, iter_resources, name_of, pieces
from tests.templates import outages
from tests.templates.outages import OURS, PUBLISHED

FUNCTIONS = ROOT / "functions"


class Series(NamedTuple):
    """One metric; ``name`` is ``None`` where a search takes whatever has these dimensions."""

    namespace: str
    name: str | None
    dimensions: frozenset[str]
    service: str | None = None


# --- published metrics ---


def module(name: str, folder: Path) -> Path | None:
    """The file of a module that a function with its code in ``folder`` imports, if it is one of ours."""
    paths = (root / f"{name.replace('.', '/')}.py" for root in (folder, FUNCTIONS / "common"))
    return next((path for path in paths if path.exists()), None)


def imported(path: Path, folder: Path, visited: set[Path]) -> set[Path]:
    """The file and every file of ours that it imports."""
    if path in visited:
        return visited
    visited.add(path)
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for imported_file in filter(None, (module(name, folder) for name in names)):
            imported(imported_file, folder, visited)
    return visited


def texts(call: ast.Call, tree: ast.Module) -> set[str]:
    """What the argument ``name`` may be: patterns, as parts may be computed; of a variable, the values of the file's tables."""
    value = next((keyword.value for keyword in call.keywords if keyword.arg == "name"), None)
    if value is None and call.args:
        value = call.args[0]
    match value:
        case ast.Constant(value=str(text)):
            return {re.escape(text)}
        case ast.JoinedStr(values=parts):
            return {"".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else r"\w+" for p in parts)}
        case ast.Name():
            tables = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
            return {
                one.value
                for table in tables
                for one in table.values
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            }
    return set()


def put_by(paths: set[Path], service: str) -> Iterator[Series]:
    """The series that a function with these files publishes; the name is a pattern."""
    names: set[str] = set()
    single: set[str] = set()
    added, added_to_single = {"service"}, {"service"}
    calls = {
        "metrics.add_metric": names,
        "count": names,
        "single_metric": single,
        "metrics.add_dimension": added,
        "metric.add_dimension": added_to_single,
    }
    for path in paths:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (collected := calls.get(ast.unparse(node.func))) is not None:
                collected.update(texts(node, tree))
    for put, dimensions in ((names, added), (single, added_to_single)):
        yield from (Series(OURS, name, frozenset(dimensions), service) for name in put)


def put_by_us() -> set[Series]:
    """Every metric of ours: of the functions, and of the metric filters."""
    all_series: set[Series] = set()
    for piece in pieces().values():
        for handler in piece.handlers.values():
            all_series.update(put_by(imported(handler, handler.parents[2], set()), piece.service))
    for _, _, metric_filter in iter_resources("AWS::Logs::MetricFilter"):
        for put in metric_filter["MetricTransformations"]:
            dimensions = frozenset(one["Key"] for one in put.get("Dimensions", []))
            all_series.add(Series(put["MetricNamespace"], re.escape(put["MetricName"]), dimensions))
    return all_series


PUT_BY_US = put_by_us()


def exists(series: Series) -> bool:
    if series.namespace == OURS:
        return any(
            (series.name is None or re.fullmatch(put.name or "", series.name))
            and put.dimensions == series.dimensions
            and series.service in (None, put.service)
            for put in PUT_BY_US
        )
    return any(
        series.name in group["metrics"] and series.dimensions in map(frozenset, group["dimensions"])
        for group in PUBLISHED.get(series.namespace, {"series": []})["series"]
    )


# --- watched series ---


def of_alarm(alarm: dict[str, Any]) -> Iterator[Series]:
    stats = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
    for metric in stats or [alarm]:
        values = {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}
        yield Series(metric["Namespace"], metric["MetricName"], frozenset(values), values.get("service"))


def of_widget(metrics: list[list[Any]]) -> Iterator[Series]:
    """The series of a widget: rows, in which "." repeats what is above, or searches."""
    above: list[str] = []
    for row in metrics:
        if isinstance(row[0], dict):
            yield of_search(row[0]["expression"])
            continue
        words = [word for word in row if isinstance(word, str)]
        above = [above[at] if word == "." else word for at, word in enumerate(words)]
        values = dict(zip(above[2::2], above[3::2], strict=True))
        yield Series(above[0], above[1], frozenset(values), values.get("service"))


def of_search(expression: str) -> Series:
    searched = re.search(r"SEARCH\('\{([^}]+)\}(.*?)'", expression)
    assert searched, f"a search that this test cannot read: {expression}"
    namespace, *dimensions = searched[1].split(",")
    name = re.search(r'MetricName="([^"]+)"', searched[2])
    service = re.search(r'\bservice="([^"]+)"', searched[2])
    return Series(namespace, name[1] if name else None, frozenset(dimensions), service[1] if service else None)


def looked_at() -> list[Any]:
    alarms = [
        pytest.param(series, id=f"{piece.service} {name} {number}")
        for piece, name, alarm in iter_resources("AWS::CloudWatch::Alarm")
        for number, series in enumerate(of_alarm(alarm))
    ]
    widgets = [
        pytest.param(series, id=f"{piece.service} {name} {widget['properties']['title']} {number}")
        for piece, name, dashboard in iter_resources("AWS::CloudWatch::Dashboard")
        for widget in json.loads(dashboard["DashboardBody"])["widgets"]
        for number, series in enumerate(of_widget(widget["properties"]["metrics"]))
    ]
    return alarms + widgets


@pytest.mark.parametrize("series", looked_at())
def test_every_watched_series_exists(series: Series):
    assert exists(series), series


def test_no_other_kind_of_alarm_is_used():
    """The test above does not read these types."""
    kinds = {resource["Type"] for piece in pieces().values() for resource in piece.resources.values()}
    assert not kinds & {"AWS::CloudWatch::CompositeAlarm", "AWS::CloudWatch::AnomalyDetector"}


def test_every_published_group_names_its_documentation():
    for namespace, published in PUBLISHED.items():
        assert published["source"].startswith("https://docs.aws.amazon.com/"), namespace


# --- required alarms ---


def watched(piece: Piece) -> set[tuple[str, str]]:
    """(metric, logical id or name) of every dimension of every alarm."""
    return {
        (alarm["MetricName"], name_of(dimension["Value"]))
        for alarm in piece.of_type("AWS::CloudWatch::Alarm").values()
        for dimension in alarm.get("Dimensions", [])
    }


def test_a_queue_with_retries_has_an_alarm_on_deferred_messages():
    """``ApproximateAgeOfOldestMessage`` of a standard queue leaves out what was received more than three times."""
    for piece, name, source in iter_resources("AWS::Lambda::EventSourceMapping"):
        queue = name_of(source["EventSourceArn"])
        if ("ApproximateAgeOfOldestMessage", queue) in watched(piece):
            fifo = piece.of_type("AWS::SQS::Queue")[queue].get("FifoQueue")
            assert fifo or ("DeferredMessageAge", queue) in watched(piece), (piece.service, name)


def test_a_state_machine_that_ends_by_its_timeout_raises_an_alarm():
    """``ExecutionsFailed`` does not count timeouts."""
    for piece, name, _ in iter_resources("AWS::StepFunctions::StateMachine"):
        if "TimeoutSeconds" in definition(piece, name):
            assert ("ExecutionsTimedOut", name) in watched(piece), (piece.service, name)


def test_a_rule_that_delivers_nothing_raises_an_alarm():
    for piece, name, rule in iter_resources("AWS::Events::Rule"):
        named = name_of(rule.get("Name", name))
        metrics = {"FailedInvocations"}
        if any("DeadLetterConfig" in target for target in rule["Targets"]):
            metrics.add("InvocationsFailedToBeSentToDlq")
        bus = {"EventBusName"} if "EventBusName" in rule else set()
        alarms = {
            alarm["MetricName"]
            for alarm in piece.of_type("AWS::CloudWatch::Alarm").values()
            if named in [name_of(one["Value"]) for one in alarm.get("Dimensions", [])]
            and {one["Name"] for one in alarm["Dimensions"]} == {"RuleName"} | bus
        }
        assert alarms == metrics, (piece.service, name)


def test_a_log_group_is_a_target_without_its_streams():
    """``Fn::GetAtt`` says ``arn:...:log-group:name:*``; EventBridge takes it and delivers nothing."""
    for piece in pieces().values():
        for name, resource in piece.source["Resources"].items():
            if resource["Type"] == "AWS::Events::Rule":
                for target in resource["Properties"]["Targets"]:
                    reference = target["Arn"].get("Fn::GetAtt", [""])
                    group = reference.split(".")[0] if isinstance(reference, str) else reference[0]
                    kind = piece.source["Resources"].get(group, {}).get("Type")
                    assert kind != "AWS::Logs::LogGroup", (piece.service, name)
        for name, rule in piece.of_type("AWS::Events::Rule").items():
            for target in rule["Targets"]:
                is_arn = ":log-group:" in target["Arn"] and target["Arn"].endswith(":*")
                assert not is_arn, (piece.service, name)


# --- alarms in an outage: tests/integration/test_outages.py raises them ---


def nested() -> Iterator[tuple[str, Piece, dict[str, Any]]]:
    """(logical id, piece, parameters) of every stack that the shop nests."""
    by_file = {f"{piece.service}.yaml": piece for piece in pieces().values()}
    for name, application in pieces()["shop"].source["Resources"].items():
        properties = application["Properties"]
        yield name, by_file[properties["Location"]], properties.get("Parameters", {})


def alarm_name_template(piece: Piece, alarm: str) -> str:
    """An alarm's name with its parameters; constants and those of a loop have their values."""
    values = constants(piece.source)
    name = piece._template["Resources"][alarm]["Properties"]["AlarmName"]["Fn::Sub"]
    if isinstance(name, list):
        name, values = name[0], values | name[1]
    return functools.reduce(lambda text, value: text.replace(f"${{{value}}}", values[value]), values, str(name))


def alarms_of_the_shop() -> set[str]:
    """The names of its alarms, without the stage's prefix."""
    return {
        alarm_name_template(piece, alarm)
        .removeprefix("setpieces-${Stage}-")
        .replace("${FeedType}", str(parameters.get("FeedType")))
        for _, piece, parameters in nested()
        for alarm in piece.of_type("AWS::CloudWatch::Alarm")
    }


def test_every_alarm_is_raised_in_an_outage_and_every_named_alarm_exists():
    assert {alarm for outage in outages.outages() for alarm in outage.alarms} == alarms_of_the_shop()


def test_a_template_with_alarms_is_part_of_the_shop():
    """Other alarms would be in no outage."""
    shop = {piece.service for _, piece, _ in nested()}
    assert {piece.service for piece, _, _ in iter_resources("AWS::CloudWatch::Alarm")} <= shop


@pytest.mark.parametrize("kind", sorted({*outages.NAMESPACES} - {"AWS::Lambda::Function"}))
def test_every_resource_with_such_metrics_has_an_outage(kind: str):
    """Its row says which alarms go off, if any. Failures of functions are those of what calls them."""
    shop = {f"{stack} {name}" for stack, piece, _ in nested() for name in piece.of_type(kind)}
    rows = {resource for row in outages.TABLE["outages"] if row["of"] == kind for resource in row["alarms"]}
    assert rows == shop


def test_outages_publish_what_aws_documents():
    rows = outages.TABLE["outages"]
    healthy = [{"of": kind, "publishes": metrics} for kind, metrics in outages.TABLE["healthy"].items() if kind != OURS]
    for row in [*rows, *healthy]:
        for metric in row["publishes"]:
            if row["of"] != OURS and not metric.startswith(OURS):
                assert outages.dimension_sets(outages.NAMESPACES[row["of"]], metric), metric
    assert all(row["source"].startswith("https://docs.aws.amazon.com/") for row in rows)
