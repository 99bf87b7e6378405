"""Changes that need ``sam build``, changes of the layer, and nested stacks that publish versions of functions."""

import copy
import json
from typing import Any

import pytest

from local.deployment import update
from local.settings import STAGE
from model import sources
from model.sources import SHOP
from tools import stack_parameters


def test_a_layers_new_requirements_need_a_build():
    templates = sources.templates()
    now = sources.digests(templates)
    for file, needed in (
        ("functions/common/requirements.txt", True),
        ("functions/common/setpieces/rest_api.py", False),
    ):
        assert update.needs_build(update.plan(templates, now | {file: "before"})) is needed
    assert update.plan(templates, now | {"functions/common/setpieces/rest_api.py": "before"}).changes_layer()
    assert not update.plan(templates, now | {"templates/foundation.yaml": "before"}).changes_layer()


class Cloud:
    """Stands in for CloudFormation and S3: a shop that is deployed from ``templates``, and its next deployment."""

    def __init__(self, templates: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.templates = templates
        self.parameters = {**stack_parameters.chosen(STAGE, "shop"), "Release": "0-0"}
        self.root = copy.deepcopy(templates[SHOP].document)
        for name, path in templates[SHOP].nested().items():
            self.root["Resources"][name]["Properties"]["Location"] = f"http://bucket/{path.name}"
        monkeypatch.setattr(update, "client", lambda _: self)
        monkeypatch.setattr(update, "session_for", lambda _: None)  # it sets variables of the environment
        monkeypatch.setattr(update, "artifact", lambda *_: "s3://bucket/artifact")
        monkeypatch.setattr(update, "uploader", lambda *_: self.upload)

    def upload(self, _suffix: str, content: bytes) -> str:
        self.last = json.loads(content)
        return "key"

    def get_object(self, Key: str, **_: str) -> Any:
        path = next(path for path in self.templates if path.name == Key)
        return {"Body": type("Body", (), {"read": lambda _: path.read_bytes()})()}

    def get_template(self, **_: str) -> Any:
        return {"TemplateBody": self.root}

    def describe_stacks(self, **_: str) -> Any:
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()]
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": parameters}]}

    def describe_stack_resources(self, **_: str) -> Any:
        return {"StackResources": []}

    def update_stack(self, Parameters: list[dict[str, str]], **_: Any) -> None:
        self.parameters = {each["ParameterKey"]: each["ParameterValue"] for each in Parameters}
        self.root = self.last

    def releases(self) -> dict[str, Any]:
        """``Release`` of each nested stack that has it."""
        stacks = {name: one["Properties"].get("Parameters", {}) for name, one in self.root["Resources"].items()}
        return {name: parameters["Release"] for name, parameters in stacks.items() if "Release" in parameters}


def published(cloud: Cloud, edited: dict[str, Any], *files: str) -> set[str]:
    """The nested stacks that publish versions when the shop's template becomes ``edited`` and ``files`` change."""
    templates = {**cloud.templates, SHOP: sources.Template(SHOP, edited)}
    now = sources.digests(cloud.templates)
    before = cloud.releases()
    update.update(update.plan(templates, now | dict.fromkeys(files, "before")))
    return {name for name, release in cloud.releases().items() if release != before[name]}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    return Cloud(sources.templates(), monkeypatch)


@pytest.mark.parametrize(
    ("parameter", "value", "stacks"),
    [
        ("VoucherRemainder", "Refuse", {"Orders"}),
        ("SnapStart", "PublishedVersions", {"Basket", "Catalog", "Orders"}),
        ("FeedDays", 7, set()),
    ],
)
def test_a_changed_default_publishes_versions_where_it_is_passed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, parameter: str, value: object, stacks: set[str]
):
    """Functions behind an alias would keep their environment."""
    edited = copy.deepcopy(cloud.templates[SHOP].document)
    edited["Parameters"][parameter]["Default"] = value
    monkeypatch.setattr(stack_parameters, "document", lambda _: edited)
    assert published(cloud, edited, "templates/shop.yaml") == stacks
    assert cloud.parameters[parameter] == str(value)
    assert not published(cloud, edited, "functions/feeds/feeds/domain.py")


def test_another_value_passed_to_a_stack_publishes_its_versions(cloud: Cloud):
    edited = copy.deepcopy(cloud.templates[SHOP].document)
    edited["Resources"]["Orders"]["Properties"]["Parameters"]["OrderDays"] = "3"
    assert published(cloud, edited, "templates/shop.yaml") == {"Orders"}


@pytest.mark.parametrize(
    ("file", "stacks"),
    [
        ("functions/basket/basket/domain.py", {"Basket"}),
        ("functions/vouchers/vouchers/requests.py", set()),
        ("functions/common/setpieces/rest_api.py", {"Basket", "Catalog", "Orders"}),
        # Outputs of these may be others, and are parameters of Orders.
        ("templates/vouchers.yaml", {"Orders"}),
        ("templates/basket.yaml", {"Basket", "Orders"}),
    ],
)
def test_a_changed_file_publishes_versions_where_it_may_matter(cloud: Cloud, file: str, stacks: set[str]):
    assert published(cloud, cloud.templates[SHOP].document, file) == stacks
