"""Lines that a new service adds to files of all services: the shop, settings of tools, lists of tests."""

import json
import re
from collections.abc import Callable, Mapping

Names = Mapping[str, str]
Edit = Callable[[str, Names], str]


class AnchorMissing(Exception):
    """A file has changed, so that it has no place for an edit. The message is the text that was searched for."""


def edits(names: Names) -> dict[str, Edit]:
    """{path: edit} of every file that lists services."""
    return {
        "templates/shop.yaml": _nest,
        "pyproject.toml": _register_package,
        "functions/common/setpieces/rest_api.py": _add_error_codes,
        "README.md": _link,
        "docs/set-pieces/foundation.md": _add_metric,
        "tests/templates/outages.yaml": _add_outages,
        "tests/interleavings/conditions.json": _add_condition,
        "tests/unit/common/test_newer_versions.py": _add_newer_version_test,
    }


def _substitute(text: str, anchor: re.Pattern[str], edit: Callable[[re.Match[str]], str]) -> str:
    """``text`` with every match of ``anchor`` edited. Raises ``AnchorMissing`` if there is none."""
    text, matches = anchor.subn(edit, text)
    if not matches:
        raise AnchorMissing(anchor.pattern)
    return text


def _insert_after(text: str, anchor: str, lines: str) -> str:
    """``text`` with ``lines`` after the lines that match the regular expression ``anchor``."""
    return _substitute(text, re.compile(f"(?m){anchor}"), lambda match: match[0] + lines)


def _insert_sorted(text: str, block: re.Pattern[str], line: str) -> str:
    """``text`` with ``line`` in its alphabetical place among the lines of every match of ``block``."""

    def insert(match: re.Match[str]) -> str:
        lines = match[0].splitlines(keepends=True)
        position = next((index for index, other in enumerate(lines) if other > line), len(lines))
        return "".join([*lines[:position], line, *lines[position:]])

    return _substitute(text, block, insert)


def _nest(text: str, names: Names) -> str:
    """The shop with the service's template nested in it."""
    nested = (
        f"\n  {names['Service']}:\n"
        "    Type: AWS::Serverless::Application\n"
        "    Properties:\n"
        f"      Location: {names['service']}.yaml\n"
        "      Parameters:\n"
        "        {Stage: !Ref Stage, LogRetentionDays: !Ref LogRetentionDays,\n"
        "         CommonLayerArn: !GetAtt Foundation.Outputs.CommonLayerArn, KmsKeyArn: !GetAtt Foundation.Outputs.KmsKeyArn,\n"
        "         WebAclArn: !GetAtt Foundation.Outputs.WebAclArn, AlarmTopicArn: !GetAtt Foundation.Outputs.AlarmTopicArn,\n"
        "         AdminAuthorizerArn: !GetAtt Login.Outputs.AdminAuthorizerArn}\n"
    )
    return _insert_after(text, r"^Resources:\n((  .*)?\n)*", nested)


# Lists of packages (``"orders",``), of their modules (``"orders.*",``) and of folders (``"functions/orders",``).
_LISTS = (
    (re.compile(r'(?m)(^    "[a-z0-9_]+",\n)*^    "orders",\n(^    "[a-z0-9_]+",\n)*'), '    "{package}",\n'),
    (
        re.compile(r'(?m)(^    "[a-z0-9_]+\.\*",\n)*^    "orders\.\*",\n(^    "[a-z0-9_]+\.\*",\n)*'),
        '    "{package}.*",\n',
    ),
    (
        re.compile(r'(?m)(^    "functions/[a-z0-9-]+",\n)*^    "functions/orders",\n(^    "functions/[a-z0-9-]+",\n)*'),
        '    "functions/{service}",\n',
    ),
)


def _register_package(text: str, names: Names) -> str:
    """pyproject.toml with the package in the lists of mypy, import-linter and pytest."""
    for block, line in _LISTS:
        text = _insert_sorted(text, block, line.format(**names))
    return text


def _add_error_codes(text: str, names: Names) -> str:
    """The two codes of the service, unless another service has them already."""
    codes = re.compile(r'(?m)(^    "[A-Z0-9_]+": \d{3},\n)+')
    for code, status in ((f"{names['ITEM']}_EXISTS", 409), (f"{names['ITEM']}_NOT_FOUND", 404)):
        if f'"{code}":' not in text:
            text = _insert_sorted(text, codes, f'    "{code}": {status},\n')
    return text


def _link(text: str, names: Names) -> str:
    """The README with a row for the service at the end of the table of set pieces."""
    row = f"| [{names['service']}](docs/set-pieces/{names['service']}.md) | | one conditional write per {names['words']} |\n"
    return _insert_after(text, r"(^\| \[[a-z0-9-]+\]\(docs/set-pieces/.*\n)+", row)


def _add_metric(text: str, names: Names) -> str:
    """The table of metrics with the one that the service counts, above the row of metrics of any service."""
    row = f"| {names['service']} | `{names['Item']}Created` | |\n"
    return _substitute(text, re.compile(r"(?m)^\| any \|"), lambda last: row + last[0])


def _add_outages(text: str, names: Names) -> str:
    """The alarms of the API, in the two outages of APIs: errors and latency."""
    for alarm in ("5xx", "latency"):
        row = f"      {names['Service']} Api: [{names['service']}-{alarm}]\n"
        text = _insert_after(text, rf"^      Basket Api: \[basket-{alarm}\]\n", row)
    return text


def _add_condition(text: str, names: Names) -> str:
    """The condition of the write, and the test that fails without it, as ``make condition-mutation`` lists them."""
    conditions = [
        *json.loads(text),
        {
            "file": f"functions/{names['service']}/{names['package']}/repository.py",
            "function": "create",
            "text": f"attribute_not_exists({names['item']}_id)",
            "detected_by": "tests/interleavings/test_interleavings.py::test_invariants_hold_in_every_order"
            f"[{names['service']}: two admins create different {names['words']} items with one id]",
        },
    ]
    return json.dumps(sorted(conditions, key=lambda each: tuple(each.values())), indent=1) + "\n"


def _add_newer_version_test(text: str, names: Names) -> str:
    """The unit tests that read items of a newer version."""
    tests = (
        f"test_a_repeated_request_returns_the_{names['item']}_of_the_first",
        "test_members_of_a_newer_version_are_not_returned",
    )
    lines = "".join(f'        "{test}",\n' for test in tests)
    entry = f'    "{names["service"]}/test_{names["package"]}_functions.py": [\n{lines}    ],\n'
    return _insert_after(text, r"^TESTS: dict\[str, list\[str\]\] = \{\n", entry)
