"""Checks edited files before they are deployed. Each finding has a file, a line and a reason.

handlers        import by the interpreter of functions, with their folder, the layer and the template's environment
templates       cfn-lint: unknown resource types and properties, references, policies
API documents   YAML, OpenAPI, JSON schemas, mapping templates by the gateway's parser
state machines  JSON and the Amazon States Language schema of cfn-lint
schemas         JSON and their JSON Schema dialect
storefront      import; Jinja templates parse
local           import
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import jsonschema
import yaml
from jsonschema.validators import validator_for
from openapi_spec_validator import OpenAPIV30SpecValidator

from apigw_executor.vtl import Template as MappingTemplate
from apigw_executor.vtl import TemplateFault
from local.deployment import handlers, lint
from local.deployment.findings import Finding, Rejected, line_of
from local.settings import LINTED
from model.settings import ROOT
from model.sources import INCLUDE, Template, below, single_resources
from model.templates import load

_TEMPLATES = ROOT / "storefront" / "templates"
_MODULES = ROOT / "templates" / "modules"
_SUBSTITUTED = re.compile(r"\$\{(\w+)\}")
_VTL_KEYS = {"requestTemplates", "responseTemplates"}


def check(templates: Mapping[Path, Template], stacks: Iterable[Template], changed: set[Path]) -> None:
    """Check ``changed`` files, which belong to ``stacks``. Raises ``Rejected``."""
    folders = handlers.layers(templates)
    shared = {file for folder in folders for file in changed if _is_code_of(file, folder)}
    functions = [each for each in stacks if _code_changed(each, changed)]
    checks = _sources(stacks, changed)
    if functions or shared:
        checks.append(partial(handlers.check, templates, functions, shared))
    _run(checks)


def check_sources(templates: Mapping[Path, Template], files: set[Path]) -> None:
    """Check all ``files`` of a first deployment, without handlers. Raises ``Rejected``."""
    _run(_sources(templates.values(), files))


def check_handlers(templates: Mapping[Path, Template]) -> None:
    """Import every handler. Raises ``Rejected``."""
    _run([partial(handlers.check, templates, templates.values())])


def _sources(stacks: Iterable[Template], changed: set[Path]) -> list[Callable[[], Iterable[Finding]]]:
    checks: list[Callable[[], Iterable[Finding]]] = [partial(check_file, file) for file in changed if file.exists()]
    checks += [partial(_api, file) for file in {each for stack in stacks for each in _included(stack)} & changed]
    checks += [partial(references, template) for template in stacks]
    checks += [partial(_machines, template, changed) for template in stacks]
    return checks if LINTED in os.environ else checks + list(_lint(list(stacks), changed))


def _lint(stacks: list[Template], changed: set[Path]) -> Iterator[Callable[[], Iterable[Finding]]]:
    """Runs of cfn-lint: of each changed template, and of templates that together include all changed modules."""
    for template in stacks:
        if template.path in changed:
            yield partial(lint.template, template.path)
    modules = {file for file in changed if file.parent == _MODULES and file.exists()}
    for template in stacks:
        included = modules & _included(template)
        if included:
            yield partial(lint.with_modules, template.path)
            modules -= included


def _run(checks: Iterable[Callable[[], Iterable[Finding]]]) -> None:
    with ThreadPoolExecutor(max_workers=2) as pool:
        findings = [finding for results in pool.map(lambda each: list(each()), checks) for finding in results]
    if findings:
        raise Rejected(findings)


def _is_code_of(file: Path, folder: Path) -> bool:
    return file.is_relative_to(folder) and file.suffix == ".py"


def check_file(file: Path) -> Iterator[Finding]:
    """Errors in one file by itself, by its kind."""
    if file.suffix == ".py":
        yield from _python(file)
    elif file.suffix == ".json":
        yield from _json(file)
    elif file.suffix in (".yaml", ".yml"):
        yield from _yaml(file)
    elif file.is_relative_to(_TEMPLATES):
        yield from _jinja(file)


def _code_changed(template: Template, changed: set[Path]) -> bool:
    code = [each.path for each in template.references if each.kind == "AWS::Serverless::Function"]
    return template.path in changed or any(file.is_relative_to(folder) for folder in code for file in changed)


def _included(template: Template) -> set[Path]:
    return {each.path for each in template.references if each.kind == INCLUDE}


def _python(file: Path) -> Iterator[Finding]:
    try:
        compile(file.read_bytes(), str(file), "exec")
    except (SyntaxError, ValueError) as error:
        yield Finding(file, getattr(error, "lineno", 0) or 0, f"{type(error).__name__}: {getattr(error, 'msg', error)}")


def _yaml(file: Path) -> Iterator[Finding]:
    try:
        load(file.read_text())
    except yaml.MarkedYAMLError as error:
        yield Finding(file, error.problem_mark.line + 1 if error.problem_mark else 0, f"not YAML: {error.problem}")
    except yaml.YAMLError as error:
        yield Finding(file, 0, f"not YAML: {error}")


def _json(file: Path) -> Iterator[Finding]:
    try:
        document = json.loads(file.read_text())
    except ValueError as error:
        yield Finding(file, getattr(error, "lineno", 0), f"not JSON: {error}")
        return
    if "schemas" in file.parts:
        yield from _schema(file, document)


def _schema(file: Path, document: Any) -> Iterator[Finding]:
    try:
        validator_for(document).check_schema(document)
    except jsonschema.SchemaError as error:
        line = line_of(file, error.absolute_path)
        yield Finding(file, line, f"not a JSON schema: {'/'.join(map(str, error.absolute_path))}: {error.message}")


def references(template: Template) -> Iterator[Finding]:
    """References of the template to files and folders that do not exist."""
    for each in template.references:
        if not each.path.exists():
            reason = f"{each.resource}: {each.holder[each.key]} does not exist"
            yield Finding(template.path, line_of(template.path, ["Resources", each.resource]), reason)


def _machines(template: Template, changed: set[Path]) -> Iterator[Finding]:
    for name, resource in single_resources(template.document):
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::StateMachine" and isinstance(properties.get("DefinitionUri"), str):
            file = (template.path.parent / properties["DefinitionUri"]).resolve()
            if file.exists() and (file in changed or template.path in changed):
                yield from _state_machine(file, name, template)


def _state_machine(file: Path, name: str, template: Template) -> Iterator[Finding]:
    """Lint the definition with cfn-lint, in a template of its own."""
    substitutions = template.document["Resources"][name]["Properties"].get("DefinitionSubstitutions", {})
    text = file.read_text()
    for unknown in sorted(set(_SUBSTITUTED.findall(text)) - substitutions.keys()):
        line = text[: text.index(f"${{{unknown}}}")].count("\n") + 1
        yield Finding(file, line, f"{name} in {template.path.name} has no DefinitionSubstitutions for {unknown}")
    values = handlers.resolved(template).resolve(dict(substitutions))
    try:
        document = json.loads(_SUBSTITUTED.sub(lambda match: str(values.get(match[1], "any")), text))
    except ValueError:
        return  # reported by check_file
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/any", "Definition": document}
    machine = {"Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    for match in lint.errors(json.dumps(machine)):
        yield Finding(file, line_of(file, list(match.path or [])[4:]), f"{match.rule.id} {match.message}")
    yield from _transitions(file, document, [])


def _transitions(file: Path, machine: Any, path: list[Any]) -> Iterator[Finding]:
    """Transitions to states that do not exist, also within ``Map`` and ``Parallel``."""
    states = machine.get("States", {}) if isinstance(machine, dict) else {}
    for at, target in _targets(machine, path):
        if target not in states:
            yield Finding(file, line_of(file, at), f"there is no state {target!r}")
    for name, state in states.items():
        for key in ("Iterator", "ItemProcessor"):
            yield from _transitions(file, state.get(key, {}), [*path, "States", name, key])
        for number, branch in enumerate(state.get("Branches", [])):
            yield from _transitions(file, branch, [*path, "States", name, "Branches", number])


def _targets(machine: Any, path: list[Any]) -> Iterator[tuple[list[Any], str]]:
    if isinstance(machine, dict) and "StartAt" in machine:
        yield [*path, "StartAt"], machine["StartAt"]
        for name, state in machine.get("States", {}).items():
            here = [*path, "States", name]
            yield from (([*here, key], state[key]) for key in ("Next", "Default") if key in state)
            for key in ("Catch", "Choices"):
                rules = enumerate(state.get(key, []))
                yield from (([*here, key, number], rule["Next"]) for number, rule in rules if "Next" in rule)


def _api(file: Path) -> Iterator[Finding]:
    try:
        node = yaml.compose(file.read_text(), yaml.CSafeLoader)
        document = load(file.read_text())
    except yaml.YAMLError:
        return  # reported by check_file
    yield from _mapping_templates(file, node)
    if "openapi" in document:
        for error in OpenAPIV30SpecValidator(document).iter_errors():
            place = list(error.absolute_path)
            reason = error.message.splitlines()[0]
            yield Finding(file, line_of(file, place), f"not OpenAPI 3.0: {' '.join(map(str, [*place, reason]))}")
    for name, schema in (document.get("components", {}).get("schemas") or {}).items():
        try:
            jsonschema.Draft4Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            path = ["components", "schemas", name, *error.absolute_path]
            yield Finding(file, line_of(file, path), f"not a JSON schema: {name}: {error.message}")


def _mapping_templates(file: Path, node: yaml.Node | None, within: bool = False) -> Iterator[Finding]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _mapping_templates(file, value, within or key.value in _VTL_KEYS)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mapping_templates(file, value, within)
    elif isinstance(node, yaml.ScalarNode) and within:
        yield from _mapping_template(file, node)


def _mapping_template(file: Path, node: yaml.ScalarNode) -> Iterator[Finding]:
    try:
        MappingTemplate(node.value)
    except TemplateFault as fault:
        # A block scalar begins in the line after its indicator.
        first = node.start_mark.line + (2 if node.style in ("|", ">") else 1)
        position = re.match(r"(?:line (\d+), column \d+: )+", str(fault))
        line = first + int(position[1]) - 1 if position else first
        yield Finding(file, line, f"mapping template does not parse: {str(fault)[position.end() if position else 0 :]}")


def _jinja(file: Path) -> Iterator[Finding]:
    try:
        jinja2.Environment().parse(file.read_text(), file.name, str(file))
    except jinja2.TemplateSyntaxError as error:
        yield Finding(file, error.lineno, f"not a Jinja template: {error.message}")


def importable(module: str, folder: Path = ROOT) -> None:
    """Import ``module`` in a new process. Raises ``Rejected`` with the failing line."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r}); import {module}"
    process = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT, env=dict(os.environ)
    )
    if process.returncode:
        frames = re.findall(r'File "([^"]+)", line (\d+)', process.stderr)
        frames_here = [
            (Path(file), int(line)) for file, line in frames if file.startswith(str(ROOT)) and ".venv" not in file
        ]
        file, line = frames_here[-1] if frames_here else (folder / module.replace(".", "/"), 0)
        raise Rejected([Finding(file, line, process.stderr.strip().splitlines()[-1])])


def pages() -> None:
    """Parse the storefront's Jinja templates. Raises ``Rejected``."""
    findings = [finding for file in below(_TEMPLATES) for finding in _jinja(file)]
    if findings:
        raise Rejected(findings)
