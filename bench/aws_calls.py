"""AWS calls of one warm request, against the minimum that the contract allows. Target: equal, on every path of every API.

Counts calls that the emulator records for the roles that answer: of the function and its authorizer, or of the API itself
without a function. Work after the response is not part of the request (``bench/orders.py`` counts a whole order), nor are
calls of Lambda, X-Ray and logs, which are the same for every function. Calls of external systems are no AWS calls. The live
map of operations is left out: it queries every queue and log, because SQS has no call for all queues.
"""

from collections import Counter
from typing import Any

from bench.aws_call_cases import Case, cases
from bench.report import Verdict, report
from local import emulator_client
from local.emulator_client import resources
from tools.client import Shop

NOT_THE_REQUEST = ("lambda:", "sts:", "logs:", "xray:", "cloudwatch:")


def calls() -> Counter[str]:
    """Number of calls by AWS operation since the emulator started."""
    return Counter(emulator_client.request("GET", "/_setpieces/calls").raise_for_status().json())


class Roles:
    """Calls by the roles of functions and APIs."""

    def __init__(self) -> None:
        self._roles = [one for one in resources() if one["type"] == "AWS::IAM::Role"]

    def calls(self, names: tuple[str, ...]) -> Counter[str]:
        calls_by_role = emulator_client.request("GET", "/_setpieces/calls?by=role").raise_for_status().json()["calls"]
        total: Counter[str] = Counter()
        for name in names:
            for role in self._physical(name):
                counted = calls_by_role.get(role, {})
                total.update({what: n for what, n in counted.items() if not what.startswith(NOT_THE_REQUEST)})
        return total

    def _physical(self, name: str) -> list[str]:
        """A service's role, or those of its API and integrations."""
        service, _, logical_id = name.partition("/")
        stack = f"-{service.title().replace('-', '')}-"
        logical_ids = {f"{logical_id}FunctionRole", f"{logical_id}Role"} | (
            {"HistoryRole"} if logical_id == "Api" else set()
        )
        physical_ids = [
            one["physical_id"] for one in self._roles if stack in one["stack"] and one["logical_id"] in logical_ids
        ]
        assert physical_ids, f"no role is called {name}"
        return physical_ids


def run() -> None:
    shop, roles = Shop.from_environment(), Roles()
    roles.calls(())  # the emulator counts from the first query
    rows = [_measure(roles, case) for case in cases(shop)]
    over = [f"{row['request']} ({row['AWS calls']:g} for {row['least']})" for row in rows if row["equal"] != "yes"]
    verdict = Verdict(
        f"AWS calls per warm request, {len(rows)} request paths, against the minimum of the contract",
        "equal",
        f"{len(rows) - len(over)} of {len(rows)} equal",
        not over,
        f"more: {', '.join(over)}" if over else "",
    )
    report("aws_calls", "AWS calls per warm request, of the roles that answer", rows, [verdict])


def _measure(roles: Roles, case: Case) -> dict[str, Any]:
    for _ in range(2):
        _request(case)
    before = roles.calls(case.roles)
    for _ in range(case.repeats):
        _request(case)
    counts = roles.calls(case.roles) - before
    each = {
        name: round(count / case.repeats, 2) for name, count in sorted(counts.items()) if count / case.repeats > 0.15
    }
    total, least = sum(each.values()), sum(case.least.values())
    return {
        "request": case.name,
        "AWS calls": float(total),
        "least": least,
        "equal": "yes" if abs(total - least) < 0.2 else "NO",
        "operations": ", ".join(f"{name.partition(':')[2]} {count:g}" for name, count in each.items()),
        "least is": ", ".join(what if count == 1 else f"{count} x {what}" for what, count in case.least.items())
        or "cached",
    }


def _request(case: Case) -> None:
    answer = case.request()
    assert answer.status_code < 500, (case.name, answer.status_code, answer.text[:300])
