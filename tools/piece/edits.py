"""Lines that a new service adds to files of all services: the shop, settings of tools, lists of tests."""

import json
import re
from collections.abc import Callable, Mapping

Names = Mapping[str, str]
Edit = Callable[[str, Names], str]


def edits(names: Names) -> dict[str, Edit]:
    """{path: edit} of every file that lists services."""
    return {
        "templates/shop.yaml": _nest,
        "pyproject.toml": _register_package,
        "functions/common/setpieces/rest_api.py": _add_error_codes,
        "README.md": _link,
        "tests/templates/outages.yaml": _add_outages,
        "tests/interleavings/conditions.json": _add_condition,
        "tests/unit/common/test_newer_versions.py": _add_newer_version_test,
    }


def _insert_sorted(text: str, block: re.Pattern[str], line: str) -> str:
    """``text`` with ``line`` in its alphabetical place among the lines of every match of ``block``."""

    def insert(match: re.Match[str]) -> str:
        lines = match[0].splitlines(keepends=True)
        position = next((index for index, other in enumerate(lines) if other > line), len(lines))
        return "".join([*lines[:position], line, *lines[position:]])

    return block.sub(insert, text)


def _nest(text: str, names: Names) -> str:
    """The shop with the service's template nested in it."""
    return text.rstrip("\n") + (
        f"\n\n  {names['Service']}:\n"
        "    Type: AWS::Serverless::Application\n"
        "    Properties:\n"
        f"      Location: {names['service']}.yaml\n"
        "      Parameters:\n"
        "        Stage: !Ref Stage\n"
        "        CommonLayerArn: !GetAtt Foundation.Outputs.CommonLayerArn\n"
        "        KmsKeyArn: !GetAtt Foundation.Outputs.KmsKeyArn\n"
        "        WebAclArn: !GetAtt Foundation.Outputs.WebAclArn\n"
        "        AlarmTopicArn: !GetAtt Foundation.Outputs.AlarmTopicArn\n"
        "        AdminAuthorizerArn: !GetAtt Login.Outputs.AdminAuthorizerArn\n"
        "        LogRetentionDays: !Ref LogRetentionDays\n"
    )


# Lists of packages (``"orders",``), of their modules (``"orders.*",``) and of folders (``"functions/orders",``).
_LISTS = (
    (re.compile(r'(?m)(^    "[a-z_]+",\n)*^    "orders",\n(^    "[a-z_]+",\n)*'), '    "{package}",\n'),
    (re.compile(r'(?m)(^    "[a-z_]+\.\*",\n)*^    "orders\.\*",\n(^    "[a-z_]+\.\*",\n)*'), '    "{package}.*",\n'),
    (
        re.compile(r'(?m)(^    "functions/[a-z-]+",\n)*^    "functions/orders",\n(^    "functions/[a-z-]+",\n)*'),
        '    "functions/{service}",\n',
    ),
)


def _register_package(text: str, names: Names) -> str:
    """pyproject.toml with the package in the lists of ruff, mypy, import-linter and pytest."""
    for block, line in _LISTS:
        text = _insert_sorted(text, block, line.format(**names))
    return text


def _add_error_codes(text: str, names: Names) -> str:
    codes = re.compile(r'(?m)(^    "[A-Z_]+": \d{3},\n)+')
    text = _insert_sorted(text, codes, f'    "{names["ITEM"]}_EXISTS": 409,\n')
    return _insert_sorted(text, codes, f'    "{names["ITEM"]}_NOT_FOUND": 404,\n')


def _link(text: str, names: Names) -> str:
    """The README with a row for the service at the end of the table of set pieces."""
    row = f"| [{names['service']}](docs/set-pieces/{names['service']}.md) | | one conditional write per {names['words']} |\n"
    return re.sub(r"(?m)((?:^\| \[[a-z-]+\]\(docs/set-pieces/.*\n)+)", lambda rows: rows[0] + row, text, count=1)


def _add_outages(text: str, names: Names) -> str:
    """The alarms of the API, in the two outages of APIs: errors and latency."""
    for alarm in ("5xx", "latency"):
        row = f"      {names['Service']} Api: [{names['service']}-{alarm}]\n"
        anchor = f"      Basket Api: [basket-{alarm}]\n"
        text = text.replace(anchor, anchor + row)
    return text


def _add_condition(text: str, names: Names) -> str:
    """The condition of the write, and the test that notices when it is weaker: what ``make condition-mutation`` finds."""
    conditions = [
        *json.loads(text),
        {
            "file": f"functions/{names['service']}/{names['package']}/repository.py",
            "function": "create",
            "text": f"attribute_not_exists({names['item']}_id)",
            "noticed_by": "tests/interleavings/test_interleavings.py::test_invariants_hold_in_every_order"
            f"[{names['service']}: two admins create different {names['words']} items with one id]",
        },
    ]
    return json.dumps(sorted(conditions, key=lambda each: tuple(each.values())), indent=1) + "\n"


def _add_newer_version_test(text: str, names: Names) -> str:
    """The unit tests that read items of a newer version."""
    tests = ("test_a_repeated_request_returns_what_the_first_created", "test_members_of_a_newer_version_are_not_shown")
    lines = "".join(f'        "{test}",\n' for test in tests)
    entry = f'    "{names["service"]}/test_{names["package"]}_functions.py": [\n{lines}    ],\n'
    return re.sub(r"(?m)^TESTS: dict\[str, list\[str\]\] = \{\n", lambda start: start[0] + entry, text)
