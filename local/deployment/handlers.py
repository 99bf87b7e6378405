"""Checks that handlers can be imported by the interpreter of functions, with the layer and environment of their template."""

import ast
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from local.deployment.findings import Finding, line_of
from local.emulator.function_workers.fork_server_main import LIBRARIES
from local.settings import LAMBDA_PYTHON, STATE
from model.sources import LAYER, Template, below, copied
from model.templates import Piece

_IMPORTER = Path(__file__).with_name("import_handlers.py")
_LIBRARIES = STATE / "build" / "shop" / "Foundation" / "CommonLayer" / "python"
# Powertools imports these when a handler creates its tracer.
_TRACING = ("aws_xray_sdk.core",)


class Importer:
    """A process of ``import_handlers``. It is ready after its first response, and ends with this process."""

    def __init__(self, paths: list[str]) -> None:
        self._lock = threading.Lock()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed with the process
        self._process = subprocess.Popen(
            [
                str(LAMBDA_PYTHON),
                "-I",
                str(_IMPORTER),
                json.dumps({"paths": paths, "libraries": (*LIBRARIES, *_TRACING)}),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-central-1"},
        )

    def findings(self, functions: list[dict[str, Any]], uses: list[dict[str, Any]]) -> Iterator[Finding]:
        """Handlers and names that cannot be imported. Raises ``RuntimeError`` if the process ended."""
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            print(json.dumps({"functions": functions, "uses": uses}), file=self._process.stdin, flush=True)
            response = self._process.stdout.readline()
        if not response:
            self._errors.seek(0)
            raise RuntimeError(self._errors.read())
        for error in json.loads(response):
            yield Finding(Path(error["file"]), error["line"], error["reason"])

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


_importers: dict[tuple[str, ...], Importer] = {}
_importers_lock = threading.Lock()


def forget() -> None:
    """End the importers, so that the next check imports the libraries of newly built layers."""
    with _importers_lock:
        for each in _importers.values():
            each.close()
        _importers.clear()


def layers(templates: Mapping[Path, Template]) -> list[Path]:
    """The source folders of layers."""
    return [each.path for template in templates.values() for each in template.references if each.kind == LAYER]


def importer(templates: Mapping[Path, Template]) -> Importer:
    """The importer for the shop's layers. A new one starts to import libraries now."""
    sources = [source for layer in layers(templates) for source, _ in copied(layer)]
    paths = tuple(str(source.parent) for source in sources if (source / "__init__.py").exists())
    with _importers_lock:
        if paths not in _importers:
            _importers[paths] = Importer([*paths, str(_LIBRARIES)])
        return _importers[paths]


def check(
    templates: Mapping[Path, Template], changed: Iterable[Template], shared: Iterable[Path] = ()
) -> Iterator[Finding]:
    """Import the handlers of ``changed`` templates and what functions import from ``shared`` files of layers."""
    functions = [
        {"file": str(template.path), "line": line_of(template.path, ["Resources", name]), "name": name, **function}
        for template in changed
        for name, function in _functions(template)
    ]
    yield from importer(templates).findings(functions, _uses(templates, shared))


def _uses(templates: Mapping[Path, Template], shared: Iterable[Path]) -> list[dict[str, Any]]:
    """Imports from the ``shared`` modules of a layer: [{"file", "line", "module", "names", "environment"}]."""
    modules = {_module(file): file for file in shared if file.exists()}
    if not modules:
        return []
    environment: dict[str, str] = {}
    for template in templates.values():
        for _, function in _functions(template):
            environment |= function["environment"]
    uses = [{"file": str(file), "line": 0, "module": name, "names": []} for name, file in modules.items()]
    code = {each.path for template in templates.values() for each in template.references if each.path.is_dir()}
    for file in (file for folder in code for file in below(folder) if file.suffix == ".py" and file not in shared):
        uses += [use for use in _imported(file) if use["module"] in modules]
    return [{**use, "environment": environment} for use in uses]


def _imported(file: Path) -> Iterator[dict[str, Any]]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [name.name for name in node.names if name.name != "*"]
            yield {"file": str(file), "line": node.lineno, "module": node.module, "names": names}


def _module(file: Path) -> str:
    """The dotted name of a module."""
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").exists():
        parts, folder = [folder.name, *parts], folder.parent
    return ".".join(parts)


def resolved(template: Template) -> Piece:
    """A reader that resolves intrinsics in the template as written, without the transform."""
    piece = Piece(template.path.stem, template.document)
    piece.__dict__["_template"] = template.document
    return piece


def _functions(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """(logical id, {"handler", "folder", "environment"}) of the template's Python functions."""
    piece = resolved(template)
    for name, properties in template.functions().items():
        if "Handler" not in properties or not isinstance(properties.get("CodeUri"), str):
            continue
        variables = piece.resolve(properties.get("Environment", {}).get("Variables", {}))
        yield (
            name,
            {
                "handler": properties["Handler"],
                "folder": str((template.path.parent / properties["CodeUri"]).resolve()),
                "environment": {key: str(value) for key, value in variables.items()},
            },
        )
