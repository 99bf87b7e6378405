"""Renderings by Apache Velocity (``Render.java``) and by the engine of the local gateway, side by side."""

import copy
import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apigw_executor import json_text, mapping
from tests.second_opinion import tools

FAULT = "the rendering faults"


@dataclass(frozen=True)
class Rendering:
    """What a template is rendered with. ``name`` says where it is from."""

    name: str
    template: str
    body: str = ""
    params: dict[str, dict[str, str]] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)


Result = tuple[str, Any]  # the text, and the context as the template left it; or FAULT and None


def by_velocity(renderings: Iterable[Rendering]) -> list[Result]:
    """Compiles ``Render.java`` and runs it once for all."""
    lines = "".join(
        json.dumps({"template": one.template, "body": one.body, "params": one.params, "context": one.context}) + "\n"
        for one in renderings
    )
    classes = tools.debian_jars(tools.VELOCITY)
    command = (tools.java(), "-Xss8m", "-XX:TieredStopAtLevel=1", "--class-path", classes)
    done = subprocess.run(
        (*command, str(Path(__file__).with_name("Render.java"))),
        input=lines.encode(),
        capture_output=True,
        timeout=300,
    )
    if done.returncode:
        raise tools.Missing(f"Render.java does not run: {done.stderr.decode(errors='replace')[-2000:]}")
    results = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    return [(FAULT, None) if "fault" in one else (one["text"], one["context"]) for one in results]


def by_gateway(one: Rendering) -> Result:
    context = copy.deepcopy(one.context)
    try:
        text = mapping.render(one.template, one.body, one.params, context, {})
        # As it is sent: half of a character becomes a question mark.
        return json_text.encode(text).decode(), context
    except mapping.TemplateFault:
        return FAULT, None
