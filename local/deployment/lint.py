"""Runs cfn-lint in this process and keeps its rules, because loading them takes longer than applying them.

Only rules for errors run; ``make lint`` runs all.
"""

import json
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from local.deployment.findings import Finding
from model.templates import read_templates

# Also held for imports: cfn-lint's modules have import cycles, so two threads that import different modules both fail.
_one_at_a_time = threading.Lock()


@cache
def _runner() -> Any:
    from cfnlint.config import ConfigMixIn  # here because the import takes a second
    from cfnlint.runner import Runner

    return Runner(ConfigMixIn(regions=["eu-central-1"], ignore_checks=["W", "I"]))


def preload() -> None:
    """Load the rules unless they are loaded."""
    with _one_at_a_time:
        _runner()


def errors(template: str) -> list[Any]:
    """cfn-lint's matches for the text of a template."""
    with _one_at_a_time:
        from cfnlint.decode.decode import decode_str

        document, unreadable = decode_str(template)
        return list(unreadable or _runner().validate_template(document))


def template(file: Path) -> Iterator[Finding]:
    """Errors in the template ``file``."""
    with _one_at_a_time:
        from cfnlint.runner.template.runner import run_template_by_file_path

        matches = list(
            run_template_by_file_path(str(file), _runner().config, _runner().rules, ignore_bad_template=False)
        )
    for match in matches:
        yield Finding(file, match.linenumber, f"{match.rule.id} {match.message}")


def with_modules(file: Path) -> Iterator[Finding]:
    """Errors in the template ``file`` with the content of its modules, which cfn-lint does not look into."""
    template = read_templates(file.parent)[file.stem].included()
    for match in errors(json.dumps(template)):
        place = "/".join(map(str, match.path))
        yield Finding(file, 1, f"{match.rule.id} {match.message} ({place}, with modules)")
