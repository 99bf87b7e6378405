"""Cold init of each request-path function against a bare ``boto3.client`` of the same service. Target: at most 1.25 times.

Both run in a new process of the functions' interpreter with the built layer on its path: one imports the handler's module and
creates the function's client, the other only creates the client. Compares medians of processor time; runs alternate, so that
other load affects both.
"""

import os
import resource
import statistics
import subprocess
from pathlib import Path
from typing import Any

from bench.report import Verdict, report
from local.settings import LAMBDA_PYTHON, STATE
from model.settings import REGION, ROOT
from model.sources import read

RUNS = int(os.environ.get("SETPIECES_BENCH_RUNS", "11"))
TARGET = 1.25
# The simulators are not part of the shop.
SIMULATORS = {"partners"}
LAYER = STATE / "build" / "shop" / "Foundation" / "CommonLayer" / "python"


def request_path_functions() -> list[tuple[str, Path, str, str, list[str]]]:
    """(name, code folder, handler module, service of its first client, environment names) of functions behind an API and of
    authorizers."""
    functions = []
    for path in sorted((ROOT / "templates").glob("*.yaml")):
        if path.stem in SIMULATORS:
            continue
        for logical_id, properties in read(path).functions().items():
            module = properties["Handler"].rpartition(".")[0]
            code = (path.parent / properties["CodeUri"]).resolve()
            behind_api = any(event["Type"] == "Api" for event in properties.get("Events", {}).values())
            if not behind_api and "@authorizer_handler" not in (code / f"{module.replace('.', '/')}.py").read_text():
                continue
            names = list(properties.get("Environment", {}).get("Variables", {}))
            functions.append((f"{path.stem}/{logical_id}", code, module, _service(properties), names))
    return functions


def _service(properties: dict[str, Any]) -> str:
    """The first AWS service in the function's policies, except Parameter Store and logs."""
    statements = [s for policy in properties.get("Policies", []) for s in policy.get("Statement", [])]
    actions = [a for s in statements for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])]
    services = [action.partition(":")[0] for action in actions]
    ranked = sorted(services, key=lambda service: service in ("ssm", "logs", "xray", "execute-api"))
    return ranked[0] if ranked and ranked[0] not in ("logs", "xray", "execute-api") else "ssm"


def _seconds(code: str, environment: dict[str, str]) -> float:
    """Processor time of a new process, which depends less on other load than wall time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(LAMBDA_PYTHON), "-c", code], env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run() -> None:
    base = {"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
    base |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_LAMBDA_FUNCTION_NAME": "bench"}
    base |= {"LAMBDA_TASK_ROOT": "/var/task", "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"}
    rows = []
    for name, code, module, service, variables in request_path_functions():
        environment = base | dict.fromkeys(variables, "bench") | {"STAGE": "local"}
        environment["PYTHONPATH"] = os.pathsep.join([str(LAYER), str(code)])
        ours = f"import {module}; from setpieces.aws import client; client({service!r})"
        bare = f"import boto3; boto3.client({service!r})"
        for warm_up in (ours, bare):
            _seconds(warm_up, environment)
        pairs = [(_seconds(ours, environment), _seconds(bare, environment)) for _ in range(RUNS)]
        function, floor = (statistics.median(values) for values in zip(*pairs, strict=True))
        rows.append(
            {
                "function": name,
                "client": service,
                "init ms": round(function * 1000),
                "bare client ms": round(floor * 1000),
                "ratio": function / floor,
                f"at most {TARGET}": "yes" if function / floor <= TARGET else "NO",
            }
        )
    over = [f"{row['function']} {row['ratio']:.2f}" for row in rows if row["ratio"] > TARGET]
    worst = max(rows, key=lambda row: row["ratio"])
    verdict = Verdict(
        "Cold init of every request-path function against a bare client",
        f"≤ {TARGET} x",
        f"{worst['ratio']:.2f} x at worst ({worst['function']}), {len(rows) - len(over)} of {len(rows)} within",
        not over,
        f"over it: {', '.join(over)}; processor time of a machine that others use" if over else "",
    )
    report("cold_init", f"Cold init against a bare client, median of {RUNS} alternating runs", rows, [verdict])
