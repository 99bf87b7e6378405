"""docs/api/problems.md: each code of a problem with its statuses, services and details.

They are found where the code creates an error with a literal code, in mapping templates, and in the API documents'
descriptions of responses: code that chooses between codes, such as for a line that cannot be bought, has no literal.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from model.settings import ROOT
from pages.blocks import Block, table
from pages.openapi import METHODS, apis

PAGE = ROOT / "docs" / "api" / "problems.md"
FUNCTIONS = ROOT / "functions"
# Services in the table for codes of the layer and of gateway responses.
ANY_SERVICE = "any"

# Positions of code and detail among the arguments of each error.
_ERRORS = {"Refused": (0, 1), "RetryLater": (2, 1), "HttpRefusal": (1, 2)}
_CODE = re.compile("[A-Z][A-Z0-9_]+")
_CODE_IN_TEXT = re.compile(r"\b[A-Z]{3,}(?:_[A-Z]+)+\b")
_MAPPING_TEMPLATE = re.compile(
    r'"status"\s*:\s*(\d{3}).{0,40}?"code"\s*:\s*"([A-Z][A-Z0-9_]+)"|"code"\s*:\s*"([A-Z][A-Z0-9_]+)"', re.DOTALL
)
_SET_IN_TEMPLATE = re.compile(r'#set\(\$\w+ = (\d{3})\)\s*#set\(\$code = "([A-Z][A-Z0-9_]+)"\)')


@dataclass
class Occurrences:
    """Where a code occurs."""

    statuses: set[int] = field(default_factory=set)
    services: set[str] = field(default_factory=set)
    details: set[str] = field(default_factory=set)

    def add(self, service: str, status: int, detail: str = "") -> None:
        """``status`` 0 and an empty detail are unknown ones."""
        self.services.add(service)
        self.statuses |= {status} - {0}
        self.details |= {detail} - {""}


def blocks() -> Iterator[Block]:
    rows = (
        (
            f"`{code}`",
            ", ".join(map(str, sorted(occurrences.statuses))) or "4xx",
            ", ".join(sorted(occurrences.services)),
            "; ".join(sorted(occurrences.details)).replace("|", "\\|"),
        )
        for code, occurrences in sorted(problems().items())
    )
    yield Block(PAGE, "problems", table(("code", "status", "services", "detail"), rows))


def problems() -> dict[str, Occurrences]:
    """Occurrences by code."""
    occurrences: dict[str, Occurrences] = defaultdict(Occurrences)
    for file in sorted(FUNCTIONS.rglob("*.py")):
        service = file.relative_to(FUNCTIONS).parts[0]
        for code, status, detail in _errors(ast.parse(file.read_text())):
            occurrences[code].add(ANY_SERVICE if service == "common" else service, status, detail)
    for file in sorted((ROOT / "schemas" / "api").rglob("*.yaml")):
        service = ANY_SERVICE if file.parent.name == "gateway-responses" else file.stem
        text = file.read_text().replace('\\"', '"')
        for status, code, code_alone in _MAPPING_TEMPLATE.findall(text):
            occurrences[code or code_alone].add(service, int(status or 0))
        for status, code in _SET_IN_TEMPLATE.findall(text):
            occurrences[code].add(service, int(status))
    for service, status, code in documented():
        occurrences[code].add(service, status)
    return dict(occurrences)


def documented() -> Iterator[tuple[str, int, str]]:
    """(service, status, code) of each code in an API document's description of a response with an error."""
    for piece, body in apis():
        for item in body["paths"].values():
            for method in item.keys() & METHODS:
                for status, response in item[method]["responses"].items():
                    for code in _CODE_IN_TEXT.findall(response["description"]) if status >= "400" else ():
                        yield piece.service, int(status), code


@cache
def statuses() -> dict[str, int]:
    """The HTTP status of each code: the table ``STATUS`` of ``setpieces.rest_api``."""
    module = ast.parse((FUNCTIONS / "common" / "setpieces" / "rest_api.py").read_text())
    tables = (
        node.value for node in module.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STATUS"
    )
    status_table: dict[str, int] = ast.literal_eval(next(tables))
    return status_table


def _errors(module: ast.Module) -> Iterator[tuple[str, int, str]]:
    """(code, status, detail) of each error that a module creates; 0 and "" if they are not literals."""
    for call in ast.walk(module):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name in ("invalid", "JsonBody"):
            keywords = {word.arg: word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)}
            yield str(keywords.get("code", "INVALID_REQUEST")), int(str(keywords.get("status", 400))), ""
        elif name in _ERRORS:
            arguments = [_text(argument) for argument in call.args] + [""] * 3
            code, detail = (arguments[position] for position in _ERRORS[name])
            pointer = arguments[2] if name == "Refused" else ""
            if _CODE.fullmatch(code):
                yield code, _status(call, name, code), f"`{pointer}`: {detail}" if pointer and detail else detail


def _text(node: ast.expr) -> str:
    """A literal string; of an f-string with the names of its values: ``{sku}``. Empty for other expressions."""
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(parts):
            return "".join(map(_text, parts))
        case ast.FormattedValue(ast.Name(name) | ast.Attribute(attr=name)):
            return f"{{{name.lower()}}}"
        case ast.FormattedValue():
            return "…"
        case _:
            return ""


def _status(call: ast.Call, name: str, code: str) -> int:
    match call.args:
        case [ast.Constant(int(status)), *_] if name == "HttpRefusal":
            return status
        case _:
            return 503 if name == "RetryLater" else statuses().get(code, 0)
