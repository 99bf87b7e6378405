"""The findings of broken files."""

import pytest

from local.deployment import checks


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
