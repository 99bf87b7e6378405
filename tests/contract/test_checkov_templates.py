"""What cfn-lint and checkov get: expanded templates with the skips of their comments."""

import json
import subprocess

import pytest

from model.settings import ROOT
from model.templates import pieces
from tests.checkov_templates import cfn_lint, checked, skips_by_resource

TEXTS = {service: (piece.folder / f"{service}.yaml").read_text() for service, piece in pieces().items()}


def test_every_skip_reaches_its_resource():
    skips = [
        skip
        for service, piece in pieces().items()
        for resource in checked(piece, TEXTS[service])["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert len(skips) == sum(text.count("checkov:skip=") for text in TEXTS.values()) > 0
    assert all(skip["id"].startswith("CKV_AWS_") and skip["comment"] for skip in skips)


def test_a_skip_belongs_to_the_resource_above_it():
    text = "Resources:\n  Key:\n    # checkov:skip=CKV_AWS_7:KMS does not rotate it\n    Type: AWS::KMS::Key\n"
    assert skips_by_resource(text) == {"Key": [{"id": "CKV_AWS_7", "comment": "KMS does not rotate it"}]}


def test_loops_and_includes_are_expanded():
    for service, piece in pieces().items():
        template = checked(piece, TEXTS[service])
        assert not [name for name in template["Resources"] if name.startswith("Fn::")]
        assert "AWS::Include" not in str(template)


@pytest.mark.parametrize(("name", "status"), [("Period", 0), ("Perod", 2)])
def test_cfn_lint_finds_a_misspelled_property_of_a_module(name, status, tmp_path):
    template = json.dumps(checked(pieces()["tax"], TEXTS["tax"]))
    (tmp_path / "tax.json").write_text(template.replace('"Period"', f'"{name}"'))
    result = subprocess.run(cfn_lint(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert result.returncode == status, result.stdout
