"""The grants of roles that allowed calls: recorded by the emulator while it runs, read by ``local.campaigns.iam_report``.

A line of JSON for each grant, written when it first allows a call: [role name, policy name, statement, action, resource], the
last three as indexes into the deployed policy. The file survives restarts, as the evidence of a whole test run.
"""

import json
import threading
from pathlib import Path
from typing import Any

from local.settings import STATE

USAGE = STATE / "iam-usage.jsonl"
Grant = tuple[str, str, int, int, int]
# How many calls are remembered as recorded; the number of S3 keys is unlimited.
_MAX_CALLS = 100_000


def read(file: Path = USAGE) -> set[Grant]:
    """The grants that were used, including grants of roles that no longer exist."""
    if not file.exists():
        return set()
    # The last line may be incomplete.
    return {tuple(json.loads(line)) for line in file.read_text().splitlines() if line.endswith("]")}


class Recorder:
    """Records the grants that the emulator's IAM uses. ``install`` patches the emulator, in its own process."""

    def __init__(self, file: Path = USAGE) -> None:
        self._file = file
        self._used = read(file)
        self._calls: set[tuple[str, str, str]] = set()
        self._lock = threading.Lock()

    def install(self) -> None:
        from ministack.core import iam_evaluator

        evaluate = iam_evaluator.evaluate

        def evaluate_and_record(context: Any, policies: Any, *limits: Any) -> Any:
            result = evaluate(context, policies, *limits)
            if result.decision == "Allow" and context.principal_type == "AssumedRole":
                self._record(context)
            return result

        iam_evaluator.evaluate = evaluate_and_record

    def _record(self, context: Any) -> None:
        from ministack.core.iam_evaluator import _role_name_from_assumed_arn

        role = _role_name_from_assumed_arn(context.principal_arn)
        call = (role, context.action, context.resource_arn)
        with self._lock:
            if call in self._calls:
                return
            if len(self._calls) >= _MAX_CALLS:
                self._calls.clear()
            self._calls.add(call)
            for grant in self._granting(role, context):
                if grant not in self._used:
                    self._used.add(grant)
                    with self._file.open("a") as lines:
                        lines.write(json.dumps(grant) + "\n")

    def _granting(self, role: str, context: Any) -> list[Grant]:
        """The actions and resources of the first statement that allows the call; further statements would not be needed."""
        from ministack.core import iam_evaluator
        from ministack.services import iam

        inline = (iam._roles.get_scoped(context.principal_account, None, role) or {}).get("InlinePolicies") or {}
        for policy, document in inline.items():
            for number, statement in enumerate(iam_evaluator.parse_policy_document(document)):
                if iam_evaluator._first_match(context, [statement], "Allow"):
                    return [
                        (role, policy, number, action, resource)
                        for action, allowed in enumerate(statement.actions)
                        for resource, pattern in enumerate(statement.resources)
                        if iam_evaluator._action_matches(context.action, [allowed], [])
                        and iam_evaluator._resource_matches(context.resource_arn, [pattern], [])
                    ]
        return []
