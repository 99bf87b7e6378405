"""A documented parameter reaches its stack: from samconfig.toml through the shop's template."""

import re
from functools import cache
from typing import Any

import pytest

from model.settings import ROOT, STAGE
from model.sources import constants
from model.templates import named, pieces, published_parameters
from tests.contract.pages import PAGES
from tests.templates.parameters import NESTED, SHOP, service
from tools import stack_parameters, stages

LIMITS = ("Default", "MinValue", "MaxValue", "AllowedValues", "AllowedPattern")
# Parameters that two templates have, each for itself.
OWN = {"Stage"}
# Names in pages that are parameters of a template and no settings of a stage.
NOT_SET = {
    "Release": "make deploy makes it",
    "FeedType": "the shop has a pipeline of each type; it is for a pipeline that deploys alone",
}
SPAN = re.compile(r"`([^`\n]+)`")
NAME = re.compile(r"[A-Z][a-z]\w*")


def passed(resource: str) -> dict[str, Any]:
    parameters: dict[str, Any] = NESTED[resource]["Properties"]["Parameters"]
    return parameters


def prefixed(resource: str, name: str) -> str:
    """The name with its service before it: file-days of vouchers is VouchersFileDays."""
    return "".join(part.capitalize() for part in service(resource).split("-")) + name


@pytest.mark.parametrize("resource", NESTED)
def test_the_shop_passes_on_every_parameter_of_a_piece(resource: str):
    source = pieces()[service(resource)].source
    declared = source["Parameters"]
    assert passed(resource).keys() == declared.keys() - constants(source).keys()
    for name, value in passed(resource).items():
        if not isinstance(value, dict):
            assert name in NOT_SET, f"{name} has a value that no stage can change"
        elif "Ref" in value and name not in OWN:
            assert value["Ref"] in (name, prefixed(resource, name))
            parameter = SHOP["Parameters"][value["Ref"]]
            assert {key: parameter.get(key) for key in LIMITS} == {key: declared[name].get(key) for key in LIMITS}, name
        elif "Ref" not in value:
            owner, attribute = value["Fn::GetAtt"]
            output = attribute.removeprefix("Outputs.")
            assert output in pieces()[service(owner)].source["Outputs"]


@pytest.mark.parametrize("resource", NESTED)
def test_a_value_of_another_service_is_published_where_its_parameter_says(resource: str):
    """A service deployed alone has the same value from Parameter Store as a shop has from an output."""
    outputs = {name: value["Fn::GetAtt"] for name, value in passed(resource).items() if "Fn::GetAtt" in value}
    addresses = published_parameters(pieces()[service(resource)].source)
    assert addresses.keys() == outputs.keys()
    for name, (owner, attribute) in outputs.items():
        output = pieces()[service(owner)].source["Outputs"][attribute.removeprefix("Outputs.")]
        assert output["Value"] in published_values(service(owner), addresses[name]), name


def published_values(owner: str, address: str) -> list[Any]:
    """What a template publishes at ``address``, as written: the value, and a reference to the parameter that has it."""
    publisher = pieces()[owner]
    return [
        value
        for logical_id, resource in publisher.source["Resources"].items()
        if resource.get("Type") == "AWS::SSM::Parameter"
        and publisher.resolve(resource["Properties"]["Name"]) == f"/setpieces/{STAGE}/{address}"
        for value in (resource["Properties"]["Value"], {"Fn::GetAtt": [logical_id, "Value"]})
    ]


@pytest.mark.parametrize("resource", NESTED)
def test_the_only_constant_is_the_name_of_the_service(resource: str):
    """A parameter, because a mapping that only modules use is one that linters report."""
    assert constants(pieces()[service(resource)].source).items() <= {("Service", service(resource))}


def test_every_parameter_of_the_shop_has_an_effect():
    used = set(named(SHOP["Resources"])) | set(named([SHOP["Conditions"], SHOP["Rules"]]))
    assert set(SHOP["Parameters"]) == used & set(SHOP["Parameters"])


@pytest.mark.parametrize("resource", NESTED)
def test_the_shop_repeats_the_rules_of_each_piece(resource: str):
    """The shop's rule refuses the deployment before it changes any stack."""
    for name, rule in pieces()[service(resource)].source.get("Rules", {}).items():
        assert SHOP["Rules"][name] == rule


@cache
def documented() -> dict[str, set[str]]:
    """Names in pages that are parameters, or look like one: {name: pages}.

    Every name of a parameter in backticks, what is in the first column of a table of parameters, and ``Name=value``.
    """
    declared = {name for piece in pieces().values() for name in piece.source.get("Parameters", {})}
    pages_by_name: dict[str, set[str]] = {}
    for page in PAGES:
        if page.is_relative_to(ROOT / "docs" / "api"):
            continue
        table = False
        for line in page.read_text().splitlines():
            table = line.startswith("|") and (table or line.startswith("| parameter"))
            for span in SPAN.findall(line):
                name = (NAME.match(span) or [""])[0]
                set_to = span.startswith(f"{name}=")
                first_column = table and span in line.split("|")[1]
                if name and (set_to or first_column or (name in declared and re.match(rf"{name}(:|$)", span))):
                    pages_by_name.setdefault(name, set()).add(str(page.relative_to(ROOT)))
    return pages_by_name


def published() -> set[str]:
    """Parameters that pieces have from published addresses."""
    return {name for piece in pieces().values() for name in published_parameters(piece.source)}


def settings() -> set[str]:
    """Documented names of parameters."""
    return documented().keys() - published() - NOT_SET.keys()


def test_pages_name_parameters_as_samconfig_has_them():
    names = stack_parameters.parameter_names("shop").keys()
    assert len(settings()) > 40
    wrong = {name: sorted(documented()[name]) for name in settings() - names}
    assert not wrong, f"pages name what samconfig.toml cannot set: {wrong}"
    assert not NOT_SET.keys() & names
    assert NOT_SET.keys() <= documented().keys()


@pytest.mark.parametrize("name", sorted(stack_parameters.parameter_names("shop")))
def test_a_parameter_of_samconfig_reaches_the_stack(name: str, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """The whole shop and each piece alone get the value, and the piece's resources depend on it."""
    config = tmp_path / "samconfig.toml"
    config.write_text(f"[dev.deploy.parameters]\nparameter_overrides = ['{name}=another value']\n")
    monkeypatch.setattr(stages, "CONFIG", config)
    monkeypatch.setattr(stack_parameters, "deployed_stack", lambda *_: None)
    stack_parameters.check_parameters("dev", "shop")
    assert stack_parameters.overrides("dev", "shop", FakeSession())[name] == "another value"
    count = 0
    for resource in NESTED:
        for own, value in passed(resource).items():
            if value == {"Ref": name}:
                assert stack_parameters.overrides("dev", service(resource), FakeSession())[own] == "another value"
                assert own in used(service(resource))
                count += 1
    assert count or name in named([SHOP["Conditions"], SHOP["Rules"]])


@cache
def used(piece: str) -> set[str]:
    """What a piece refers to, as written (SAM replaces some parameters by their value) and in documents that it includes."""
    source = {key: value for key, value in pieces()[piece].source.items() if key not in ("Metadata", "Parameters")}
    return set(named([source, pieces()[piece].expanded({})["Resources"]]))


class FakeSession:
    """Every address is published."""

    def client(self, _: str, /) -> Any:
        return self

    def get_parameter(self, Name: str) -> dict[str, Any]:
        return {"Parameter": {"Value": Name}}
