"""Types of options and arguments that several commands share. A wrong value is a usage error with a suggestion."""

import json
import re
from pathlib import Path
from typing import Any

import click

from model.settings import ROOT
from tools.failures import did_you_mean
from tools.stages import STAGES


class OneOf(click.ParamType):
    """One of a few names."""

    name = "name"

    def __init__(self, kind: str, names: tuple[str, ...]) -> None:
        self._kind, self._names = kind, names

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self._names:
            suggestion = did_you_mean(value, self._names, count=1)
            self.fail(f"unknown {self._kind} {value!r}.{suggestion} Valid: {', '.join(self._names)}.", param, ctx)
        return value


class OrderNumber(click.ParamType):
    """``T`` and nine to twelve digits."""

    name = "order"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"T\d{9,12}", value):
            self.fail(
                f"{value!r} is not an order number: T and nine to twelve digits, for example T100000001.", param, ctx
            )
        return value


class ExistingFile(click.ParamType):
    """The path of an existing file, relative to the current folder."""

    name = "file"

    def convert(self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.is_file():
            return path
        if path.exists():
            self.fail(f"{value} is not a file.", param, ctx)
        folder = path.parent if path.parent.is_dir() else Path()
        siblings = [str(sibling) for sibling in folder.iterdir() if sibling.is_file()]
        return self.fail(f"file {value} does not exist.{did_you_mean(str(path), siblings, count=1)}", param, ctx)


class JsonFile(ExistingFile):
    """A file with a JSON document; the value is (path, document)."""

    name = "JSON file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        path = super().convert(value, param, ctx)
        try:
            return path, json.loads(path.read_text())
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            return self.fail(f"{path} is not valid JSON: {error}.", param, ctx)


STAGE = OneOf("stage", STAGES)
PIECE = OneOf("set piece", tuple(sorted(path.stem for path in (ROOT / "templates").glob("*.yaml"))))
