"""Dependencies are pinned by hash, digest or commit, and are installed before credentials exist."""

import re
from pathlib import Path

import pytest
import yaml

from model.settings import ROOT

PINNED = [
    *sorted(ROOT.glob("requirements-*.txt")),
    ROOT / "functions" / "common" / "requirements.txt",
    ROOT / "storefront" / "requirements.txt",
]
INSTALLS = [ROOT / "Makefile", ROOT / "functions" / "common" / "Makefile", ROOT / "storefront" / "Dockerfile"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def requirements(text: str) -> list[str]:
    """The requirements of a file, each with its options, without comments."""
    lines = (re.sub(r"(^|\s)#.*", "", line) for line in text.replace("\\\n", " ").splitlines())
    return [" ".join(line.split()) for line in lines if line.strip()]


@pytest.mark.parametrize("file", PINNED, ids=relative)
def test_every_requirement_has_a_version_and_hashes(file: Path):
    entries = requirements(file.read_text())
    assert entries
    unpinned = [
        line for line in entries if not re.fullmatch(r"[\w.-]+==\S+( ; [^-]+)?( --hash=sha256:[0-9a-f]{64})+", line)
    ]
    assert unpinned == []


@pytest.mark.parametrize("file", PINNED, ids=relative)
def test_the_pinned_versions_are_those_of_the_in_file(file: Path):
    """``make lock`` after a change of a .in file."""
    pinned = dict(re.split(r"[\s;]", line)[0].split("==") for line in requirements(file.read_text()))
    for line in requirements(file.with_suffix(".in").read_text()):
        name, _, version = re.sub(r"\[.*?\]", "", line).partition("==")
        assert pinned[name.lower().replace("_", "-")] == (version or pinned[name.lower()])


@pytest.mark.parametrize("file", INSTALLS, ids=relative)
def test_every_installation_requires_hashes(file: Path):
    installs = re.findall(r"(?:pip|\$\(PIP\)) install .*", file.read_text().replace("\\\n", " "))
    assert installs
    assert [line for line in installs if "--require-hashes" not in line] == []


def test_the_image_is_built_on_a_digest():
    bases = re.findall(r"^FROM (.*)$", (ROOT / "storefront" / "Dockerfile").read_text(), re.M)
    assert bases
    assert all(re.fullmatch(r"[\w.:-]+@sha256:[0-9a-f]{64}", base) for base in bases)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=relative)
def test_a_workflow_uses_actions_by_commit_and_installs_before_it_has_credentials(workflow: Path):
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        steps = job.get("steps", [])
        actions = [step["uses"] for step in steps if "uses" in step]
        assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action) for action in actions)
        credentials = [n for n, step in enumerate(steps) if "configure-aws-credentials" in step.get("uses", "")]
        if credentials:
            assert "make install" in [step.get("run") for step in steps[: credentials[0]]]
