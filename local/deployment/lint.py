"""Errors that cfn-lint finds, in this process: loading its rules takes longer than applying them, so they are kept.

Only rules whose findings are errors run; ``make lint`` runs all.
"""

import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from local.deployment.findings import Finding

# For imports, too: cfn-lint's modules import each other in circles, so two threads that begin at two of them both fail.
_one_at_a_time = threading.Lock()


@cache
def _runner() -> Any:
    from cfnlint.config import ConfigMixIn  # late, as it takes a second
    from cfnlint.runner import Runner

    return Runner(ConfigMixIn(regions=["eu-central-1"], ignore_checks=["W", "I"]))


def preload() -> None:
    """Load the rules, if they are not."""
    with _one_at_a_time:
        _runner()


def errors(template: str) -> list[Any]:
    """What is wrong with the text of a template: cfn-lint's matches."""
    with _one_at_a_time:
        from cfnlint.decode.decode import decode_str

        document, unreadable = decode_str(template)
        return list(unreadable or _runner().validate_template(document))


def template(file: Path) -> Iterator[Finding]:
    """What is wrong with the template in ``file``."""
    with _one_at_a_time:
        from cfnlint.runner.template.runner import run_template_by_file_path

        matches = list(
            run_template_by_file_path(str(file), _runner().config, _runner().rules, ignore_bad_template=False)
        )
    for match in matches:
        yield Finding(file, match.linenumber, f"{match.rule.id} {match.message}")
