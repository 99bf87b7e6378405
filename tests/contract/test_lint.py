"""``make lint`` runs cfn-lint, and refuses all that ``sam validate --lint`` would.

AWS SAM CLI hands a template to the same library, which translates it with SAM's translator and applies the same rules. Running
it as well took seven seconds a template.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from model.settings import ROOT

SHARED = ("cfn-lint", "aws-sam-translator")
SAM = "Transform: AWS::Serverless-2016-10-31\nResources:\n"
TEMPLATES = {
    "valid": SAM + "  Queue: {Type: AWS::SQS::Queue}\n",
    "unknown-property": SAM + "  Queue: {Type: AWS::SQS::Queue, Properties: {Size: 1}}\n",
    "unknown-type": SAM + "  Queue: {Type: AWS::SQS::Quene}\n",
    "wrong-value": SAM + "  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: often}}\n",
    "missing-resource": SAM + "  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Nothing}}\n",
    "unknown-sam-property": SAM + "  F: {Type: AWS::Serverless::Function, Properties: {Codes: .}}\n",
    "not-translatable": SAM + "  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: ., Handler: a.b}}\n",
    "not-yaml": "Resources: {Queue: [",
}
# SAM CLI in one process for all templates; [exit code, output] of each.
SAM_VALIDATE = """
import json, sys
from click.testing import CliRunner
from samcli.cli.main import cli
results = [CliRunner().invoke(cli, ["validate", "--lint", "--template", path]) for path in sys.argv[1:]]
print(json.dumps([[result.exit_code, result.output] for result in results]))
"""


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text().splitlines()
    return {name: line for line in lines for name in SHARED if line.startswith(f"{name}==")}


def test_sam_cli_has_the_same_releases_of_linter_and_translator():
    assert pins("requirements-sam.txt") == pins("requirements-dev.txt")
    assert pins("requirements-sam.txt").keys() == set(SHARED)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("templates")
    paths = {name: folder / f"{name}.yaml" for name in TEMPLATES}
    for name, path in paths.items():
        path.write_text(TEMPLATES[name])
    return paths


@pytest.fixture(scope="module")
def refused_by_sam(files: dict[str, Path]) -> dict[str, set[str]]:
    """The rules that each refused template breaks, as ``sam validate --lint`` prints them."""
    command = [str(ROOT / ".venv-sam" / "bin" / "python"), "-c", SAM_VALIDATE, *map(str, files.values())]
    environment = {"SAM_CLI_TELEMETRY": "0", "HOME": str(files["valid"].parent)}
    process = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    results = dict(zip(files, json.loads(process.stdout.splitlines()[-1]), strict=True))
    return {name: set(re.findall(r"\[([EW]\d{4}):", output)) for name, (code, output) in results.items() if code}


@pytest.fixture(scope="module")
def refused_by_lint(files: dict[str, Path]) -> dict[str, set[str]]:
    """The same, of cfn-lint as ``make lint`` runs it."""
    command = [str(ROOT / ".venv" / "bin" / "cfn-lint"), "--format", "json", *map(str, files.values())]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    rules: dict[str, set[str]] = {}
    for match in json.loads(process.stdout):
        rules.setdefault(Path(match["Filename"]).stem, set()).add(match["Rule"]["Id"])
    return rules


def test_lint_refuses_every_template_that_sam_validate_refuses(
    refused_by_sam: dict[str, set[str]], refused_by_lint: dict[str, set[str]]
):
    assert refused_by_sam.keys() == TEMPLATES.keys() - {"valid"}
    assert refused_by_lint.keys() == refused_by_sam.keys()


def test_lint_and_sam_validate_report_the_same_rules(
    refused_by_sam: dict[str, set[str]], refused_by_lint: dict[str, set[str]]
):
    # SAM CLI parses a template first, so an unparsable one breaks no rule.
    assert refused_by_sam.pop("not-yaml") == set()
    assert refused_by_lint.pop("not-yaml") == {"E0000"}
    assert all(refused_by_sam.values())
    assert refused_by_lint == refused_by_sam
