"""The stacks of an edited file, the packages of changed templates, and the findings of a broken file."""

import io
import json
import zipfile

import pytest

from local.deployment import checks, package, update
from model import sources
from model.settings import ROOT


@pytest.fixture(scope="module")
def templates():
    return sources.templates()


@pytest.mark.parametrize(
    ("file", "stacks"),
    [
        ("functions/basket/basket/handlers/add_item.py", {"basket"}),
        ("functions/common/setpieces/rest_api.py", {"foundation"}),
        ("schemas/events/voucher.batch.failed.json", {"foundation"}),
        ("schemas/api/tax.yaml", {"tax"}),
        ("schemas/api/gateway-responses/missing-signature.yaml", {"partners", "sequences", "tax"}),
        ("statemachines/raise-sequence.asl.json", {"sequences"}),
        ("templates/edge.yaml", {"edge"}),
        ("templates/delivery.yaml", set()),
    ],
)
def test_a_file_belongs_to_the_templates_that_refer_to_it(templates, file, stacks):
    assert {each.path.stem for each in sources.affected(templates, {ROOT / file})} == stacks


def test_new_changed_and_deleted_files_are_differences():
    assert sources.differences({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == {
        ROOT / name for name in "bcd"
    }


def test_a_layers_new_requirements_need_a_build(templates):
    now = sources.digests(templates)
    for file, needed in (
        ("functions/common/requirements.txt", True),
        ("functions/common/setpieces/rest_api.py", False),
    ):
        assert update.needs_build(update.plan(templates, now | {file: "before"})) is needed
    assert update.plan(templates, now | {"functions/common/setpieces/rest_api.py": "before"}).changes_layer()
    assert not update.plan(templates, now | {"templates/foundation.yaml": "before"}).changes_layer()


def test_only_changed_references_are_packaged_again(templates):
    basket = templates[ROOT / "templates" / "basket.yaml"]
    before = package.package(basket, {}, set(), lambda reference: f"s3://before/{reference.path.name}")
    changed = {ROOT / "functions" / "basket" / "basket.domain.py"}
    after = package.package(basket, before, changed, lambda reference: f"s3://after/{reference.path.name}")
    properties = after["Resources"]["AddItemFunction"]["Properties"]
    assert properties["CodeUri"] == "s3://after/basket"
    table = package.package(basket, before, set(), lambda reference: f"s3://after/{reference.path.name}")
    assert table["Resources"]["AddItemFunction"]["Properties"]["CodeUri"] == "s3://before/basket"
    assert json.dumps(after)


def test_equal_content_gives_equal_archives():
    first, second = package.zipped([("a.py", b"1")]), package.zipped([("a.py", b"1")])
    assert first == second
    assert zipfile.ZipFile(io.BytesIO(first)).read("a.py") == b"1"


@pytest.mark.parametrize(
    ("name", "text", "line", "reason"),
    [
        ("app.py", "x = 1\ndef broken(:\n", 2, "SyntaxError"),
        ("schemas/event.json", '{"type": "object",\n"x": }', 2, "not JSON"),
        ("schemas/event.json", '{"title": "Event",\n"type": "objekt"}', 2, "not a JSON schema"),
        ("basket.yaml", "a: 1\nb: [\n", 3, "not YAML"),
    ],
)  # fmt: skip
def test_an_error_in_a_file_has_its_line(tmp_path, name, text, line, reason):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    (finding,) = checks.check_file(file)
    assert finding.line == line
    assert reason in finding.reason


def test_a_mapping_template_that_does_not_parse_has_its_line_in_the_document(tmp_path):
    file = tmp_path / "api.yaml"
    file.write_text("x:\n  requestTemplates:\n    application/json: |\n      #set($a = 1)\n      #if($a\n      #end\n")
    findings = list(checks._api(file))
    assert [each.line for each in findings] == [5]
    assert "mapping template does not parse" in findings[0].reason
