"""What checkov gets: expanded templates with the skips of their comments."""

from model.templates import pieces
from tests.checkov_templates import checked, skips_by_resource

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
