"""``make piece``: what it writes, and which names are usage errors."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from local.campaigns.condition_mutation import KNOWN, copy
from local.campaigns.conditions import Clause
from model.settings import ROOT
from tools.piece import command
from tools.piece.command import changed_files, check_name, names_of, new_files
from tools.piece.edits import edits

PAPER_KITES = names_of("paper-kites")


@pytest.mark.parametrize(
    ("service", "item", "expected"),
    [
        (
            "lanterns",
            "",
            {"package": "lanterns", "Service": "Lanterns", "item": "lantern", "Item": "Lantern", "ITEM": "LANTERN"},
        ),
        (
            "paper-kites",
            "",
            {"package": "paper_kites", "Service": "PaperKites", "item": "paper_kite", "a_words": "a paper kite"},
        ),
        ("offers", "", {"a_item": "an_offer", "a_words": "an offer"}),
        ("museum", "", {"package": "museum", "item": "museum", "Title": "Museum"}),
        ("batteries", "battery", {"package": "batteries", "item": "battery", "slug": "battery"}),
    ],
)
def test_a_name_is_derived_in_all_its_forms(service: str, item: str, expected: dict[str, str]):
    names = names_of(service, item)
    assert {form: names[form] for form in expected} == expected


def parse(path: Path, content: str) -> Any:
    match path.suffix:
        case ".py":
            return ast.parse(content)
        case ".json":
            return json.loads(content)
        case ".yaml":
            return yaml.compose(content)
    return content


def test_every_new_file_can_be_parsed_and_has_no_placeholder_left():
    files = new_files(PAPER_KITES)
    assert {path.parts[0] for path in files} >= {"docs", "events", "functions", "schemas", "templates", "tests"}
    for path, content in files.items():
        assert "{{" not in content
        assert "{{" not in str(path)
        parse(path, content)


def test_no_new_file_replaces_one_that_exists():
    assert [path for path in new_files(PAPER_KITES) if (ROOT / path).exists()] == []


def test_every_list_of_services_names_the_new_one():
    files = changed_files(ROOT, PAPER_KITES)
    for path, content in files.items():
        before = (ROOT / path).read_text()
        assert content.lower().count("kite") > before.lower().count("kite"), path
        assert len(content) > len(before), path
        parse(path, content)


def test_error_codes_of_two_services_have_each_a_line():
    """Digits in them do not end the list. A code that another service has is not repeated."""
    edit = edits(PAPER_KITES)["functions/common/setpieces/rest_api.py"]
    text = (ROOT / "functions/common/setpieces/rest_api.py").read_text()
    for service in ("loyalty2", "loyalty2", "baskets", "zebras"):
        text = edit(text, names_of(service))
    codes = re.findall(r'(?m)^    "(\w+)": \d{3},', text)
    assert {"LOYALTY2_EXISTS", "LOYALTY2_NOT_FOUND", "BASKET_EXISTS", "ZEBRA_NOT_FOUND"} <= set(codes)
    assert codes == sorted(set(codes))


def test_the_new_condition_has_the_members_of_the_others():
    conditions = json.loads(changed_files(ROOT, PAPER_KITES)[KNOWN.relative_to(ROOT)])
    assert [Clause(**row) for row in conditions] == sorted(Clause(**row) for row in conditions)


# The conditions are a list, which has a place for any other.
@pytest.mark.parametrize("path", [path for path in edits(PAPER_KITES) if not path.endswith("conditions.json")])
def test_a_listed_file_without_a_place_for_a_service_is_reported(
    path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    copy_listed_files(tmp_path)
    (tmp_path / path).write_text("[]\n")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    result = CliRunner().invoke(command.main, ["--name", "paper-kites"])
    assert (result.exit_code, path in result.output, "Nothing was written" in result.output) == (1, True, True)
    assert not (tmp_path / "functions" / "paper-kites").exists()


def copy_listed_files(root: Path) -> None:
    for path in changed_files(ROOT, PAPER_KITES):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text((ROOT / path).read_text())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *[
            (name, "use lower-case words")
            for name in ("", "Lanterns", "1st", "paper_kites", "-x", "a" * 21, "paper--kites", "s")
        ],
        *[
            (name, "already")
            for name in ("basket", "json", "setpieces", "tests", "functions", "common", "stage", "foundation")
        ],
        *[(name, "another meaning") for name in ("class", "items", "shops", "strs", "sessions", "problems")],
    ],
)
def test_a_name_that_no_new_service_can_have_is_a_usage_error(name: str, message: str):
    with pytest.raises(click.UsageError, match=message):
        check_name(name, "")


@pytest.mark.parametrize("item", ["class", "Lantern", "1", "item", "request"])
def test_an_item_that_no_new_service_can_have_is_a_usage_error(item: str):
    with pytest.raises(click.UsageError):
        check_name("lanterns", item)


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("lanterns", ""),
        ("paper-kites", ""),
        ("museum", ""),
        ("batteries", "battery"),
        ("loyalty2", ""),
        ("orders2", "order"),
        ("lighthouses", "lighthouses"),
        ("a" * 20, ""),
    ],
)
def test_other_names_are_valid(name: str, item: str):
    check_name(name, item)


def test_the_command_writes_below_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    copy_listed_files(tmp_path)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    result = CliRunner().invoke(command.main, ["--name", "paper-kites"])
    assert result.exit_code == 0, result.output
    assert "Written: templates/paper-kites.yaml" in result.output
    assert "Changed: templates/shop.yaml" in result.output
    assert (tmp_path / "functions/paper-kites/paper_kites/handlers/put_paper_kite.py").exists()


def resource_texts(template: str) -> dict[str, str]:
    """{logical id: its lines} of a template's resources."""
    resources = template.partition("\nResources:\n")[2]
    return {
        match[1]: match[2].strip("\n")
        for match in re.finditer(r"(?m)^  ([\w:]+):((?:.*\n)(?:    .*\n|\n)*)", resources)
    }


def test_the_template_is_written_as_that_of_operations():
    """Both are an API for administrators. A change of style or of a module applies to both."""
    new = new_files(PAPER_KITES)[Path("templates/paper-kites.yaml")]
    operations = (ROOT / "templates/operations.yaml").read_text().replace("operations", "paper-kites")
    operations = operations.replace("api-paper-kites.yaml", "api-operations.yaml")
    operations = operations.replace("The API of the live map", "The API of paper-kites")
    ours, theirs = resource_texts(new), resource_texts(operations)
    functions = {name for name in theirs if name.endswith(("Function", "Log"))} - {"AccessLog"}
    assert {name: ours.get(name) for name in theirs.keys() - functions} == {
        name: theirs[name] for name in theirs.keys() - functions
    }
    settings = [
        re.findall(r"(?m)^    (\w+):", text.partition("\nGlobals:")[2].partition("\nResources:")[0])
        for text in (new, operations)
    ]
    assert settings[0] == settings[1]


def test_a_new_service_passes_linters_and_its_own_tests(tmp_path: Path):
    copy(tmp_path)

    def run(program: str, *arguments: str) -> None:
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]

    run("python", "-m", "tools.cli", "piece", "--name", "paper-kites")
    run("ruff", "check", "functions", "tests")
    run("ruff", "format", "--check", "functions", "tests")
    run("cfn-lint", "templates/paper-kites.yaml", "templates/shop.yaml")
    tests = (
        "tests/unit/paper-kites",
        "tests/templates/test_rooms.py",
        "tests/contract/test_conditions.py",
        "tests/contract/test_imports.py",
    )
    run("pytest", "-n", "0", *tests)
    # Collected only, because it needs a shop: its imports exist.
    run("pytest", "-n", "0", "--collect-only", "tests/integration/test_paper_kites.py")
