"""``make piece``: what it writes, and which names it refuses."""

import ast
import json
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from model.settings import ROOT
from tools.piece import command
from tools.piece.command import changed_files, check_name, names_of, new_files

GIFT_CARDS = names_of("gift-cards")


@pytest.mark.parametrize(
    ("service", "item", "expected"),
    [
        (
            "coupons",
            "",
            {"package": "coupons", "Service": "Coupons", "item": "coupon", "Item": "Coupon", "ITEM": "COUPON"},
        ),
        (
            "gift-cards",
            "",
            {"package": "gift_cards", "Service": "GiftCards", "item": "gift_card", "words": "gift card"},
        ),
        ("wishlist", "", {"package": "wishlist", "item": "wishlist", "Title": "Wishlist"}),
        ("categories", "category", {"package": "categories", "item": "category", "slug": "category"}),
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
    files = new_files(GIFT_CARDS)
    assert {path.parts[0] for path in files} >= {"docs", "events", "functions", "schemas", "templates", "tests"}
    for path, content in files.items():
        assert "{{" not in content
        assert "{{" not in str(path)
        parse(path, content)


def test_no_new_file_replaces_one_that_exists():
    assert [path for path in new_files(GIFT_CARDS) if (ROOT / path).exists()] == []


def test_every_list_of_services_names_the_new_one():
    files = changed_files(ROOT, GIFT_CARDS)
    for path, content in files.items():
        before = (ROOT / path).read_text()
        assert content.count("gift") + content.count("GIFT") + content.count("Gift") > 0, path
        assert len(content) > len(before), path
        parse(path, content)


@pytest.mark.parametrize(
    "name", ["", "Coupons", "1st", "gift_cards", "-x", "a" * 21, "gift--cards", "basket", "json", "class", "setpieces"]
)
def test_a_name_that_no_new_service_can_have_is_refused(name: str):
    with pytest.raises(click.UsageError):
        check_name(name, "")


def test_the_command_writes_below_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for path in changed_files(ROOT, GIFT_CARDS):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text((ROOT / path).read_text())
    monkeypatch.setattr(command, "ROOT", tmp_path)
    result = CliRunner().invoke(command.main, ["--name", "gift-cards"])
    assert result.exit_code == 0, result.output
    assert "Written: templates/gift-cards.yaml" in result.output
    assert "Changed: templates/shop.yaml" in result.output
    assert (tmp_path / "functions/gift-cards/gift_cards/handlers/put_gift_card.py").exists()
