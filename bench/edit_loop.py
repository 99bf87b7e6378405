"""The edit loop: seconds from saving a file until the change is visible in the running shop, for twenty edits.

Edits are made in a copy of the repository, which ``make watch`` deploys to the running shop, and reverted afterwards.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

from bench.report import Verdict, console, report
from local.cloud.checkout import Checkout, Watch
from local.cloud.processes import ALL, FRONT_DOOR_PROCESS, STOREFRONT
from local.cloud.start import start_shop
from local.deployment.update import client
from local.settings import FRONT_DOOR, HOST, STATE, STOREFRONT_PORT
from model.settings import STAGE
from tools.client import Shop

TARGET = 3.0  # seconds, median
LIMIT = 120.0
HANDLER = """

_before_{mark} = handler


def handler(event, context):
    response = _before_{mark}(event, context)
    for headers in (response.get("headers"), response.get("multiValueHeaders")):
        if headers is not None:
            headers["X-Edit-{mark}"] = "{mark}" if headers is response.get("headers") else ["{mark}"]
    return response
"""
LAYER = """

_before_{mark} = rest_handler


def rest_handler(function):
    handler = _before_{mark}(function)

    def edited(event, context):
        response = handler(event, context)
        for headers in (response.get("headers"), response.get("multiValueHeaders")):
            if headers is not None:
                headers["X-Edit-{mark}"] = "{mark}" if headers is response.get("headers") else ["{mark}"]
        return response

    return edited
"""


@dataclass(frozen=True)
class Edit:
    """``change`` of ``file`` is visible when ``answer`` contains the mark of the edit."""

    kind: str
    file: str
    change: Callable[[str, str], str]
    answer: Callable[[], str]


_http = httpx.Client(timeout=10)


def get(path: str, server: str = FRONT_DOOR) -> Callable[[], str]:
    """Status, headers and body of a GET, by default through the front door."""

    def answer() -> str:
        # The simulators require signed requests.
        signed = path.startswith("/partners/")
        response = Shop.from_environment().call("GET", path) if signed else _http.get(server + path)
        return f"{response.status_code} {dict(response.headers)} {response.text}"

    return answer


def api(service: str, operation: str, **arguments: Any) -> Callable[[], str]:
    """The response of an AWS API, without the metadata of the request."""
    return lambda: str(getattr(client(service), operation)(**arguments) | {"ResponseMetadata": None})


def appended(text: str) -> Callable[[str, str], str]:
    return lambda source, mark: source + text.replace("{mark}", mark)


def replaced(old: str, new: str) -> Callable[[str, str], str]:
    def change(source: str, mark: str) -> str:
        assert old in source, old
        return source.replace(old, new.replace("{mark}", mark), 1)

    return change


def machine(name: str) -> Callable[[], str]:
    def answer() -> str:
        machines = client("stepfunctions").list_state_machines()["stateMachines"]
        arn = next(each["stateMachineArn"] for each in machines if name in each["name"])
        return str(client("stepfunctions").describe_state_machine(stateMachineArn=arn)["definition"])

    return answer


UNKNOWN_BASKET = "/basket/v1/baskets/00000000-0000-4000-8000-000000000000"
FUNCTION = f"setpieces-{STAGE}-basket-show-basket"
EDITS = (
    Edit(
        "handler behind an alias",
        "functions/basket/basket/handlers/show_basket.py",
        appended(HANDLER),
        get(UNKNOWN_BASKET),
    ),
    Edit(
        "handler behind an alias",
        "functions/catalog/catalog/handlers/list_products.py",
        appended(HANDLER),
        get("/catalog/v1/products?query=zz"),
    ),
    Edit(
        "handler behind an alias",
        "functions/catalog/catalog/handlers/show_product.py",
        appended(HANDLER),
        get("/catalog/v1/products/SP-10001"),
    ),
    Edit(
        "handler",
        "functions/partners/partners/handlers/simulate.py",
        appended(HANDLER),
        get("/partners/v1/commerce/products/SP-10001"),
    ),
    Edit(
        "module of a service",
        "functions/basket/basket/domain.py",
        appended('\nEDITED = "{mark}"\n'),
        lambda: str(client("lambda").get_function(FunctionName=FUNCTION)["Configuration"]["CodeSha256"]),
    ),
    Edit("common module", "functions/common/setpieces/rest_api.py", appended(LAYER), get(UNKNOWN_BASKET)),
    Edit(
        "schema in the layer",
        "schemas/events/voucher.batch.failed.json",
        replaced('"title": "', '"title": "{mark} '),
        api("lambda", "list_layers"),
    ),
    Edit(
        "mapping template",
        "schemas/api/gateway-responses/unknown-path.yaml",
        replaced('"title": "Not found"', '"title": "{mark}"'),
        get("/catalog/v1/nothing"),
    ),
    Edit(
        "mapping template",
        "schemas/api/gateway-responses/missing-signature.yaml",
        replaced('"title": "Missing authentication token"', '"title": "{mark}"'),
        get("/tax/v1/nothing"),
    ),
    Edit(
        "state machine",
        "statemachines/raise-sequence.asl.json",
        replaced('"Comment": "', '"Comment": "{mark} '),
        machine("raise"),
    ),
    Edit(
        "state machine",
        "statemachines/generate-vouchers.asl.json",
        replaced('"Comment": "', '"Comment": "{mark} '),
        machine("voucher"),
    ),
    Edit(
        "state machine",
        "statemachines/generate-sitemaps.asl.json",
        replaced('"Comment": "', '"Comment": "{mark} '),
        machine("sitemap"),
    ),
    Edit(
        "template: function",
        "templates/basket.yaml",
        replaced("Description: Returns a basket.", "Description: Returns a basket, {mark}."),
        api("lambda", "get_function_configuration", FunctionName=FUNCTION),
    ),
    Edit(
        "template: environment",
        "templates/partners.yaml",
        replaced("STAGE: !Ref Stage", 'STAGE: !Ref Stage, EDITED: "{mark}"'),
        api("lambda", "list_functions"),
    ),
    Edit(
        "template: new resource",
        "templates/tax.yaml",
        replaced(
            "\nResources:\n",
            "\nResources:\n  Edited{mark}:\n    Type: AWS::SSM::Parameter\n"
            "    Properties: {Name: /edited/{mark}, Type: String, Value: x}\n\n",
        ),
        api(
            "ssm",
            "describe_parameters",
            MaxResults=50,
            ParameterFilters=[{"Key": "Name", "Option": "BeginsWith", "Values": ["/edited/"]}],
        ),
    ),
    Edit(
        "storefront: template",
        "storefront/templates/base.html",
        replaced("</body>", "<!-- {mark} --></body>"),
        get("/"),
    ),
    Edit(
        "storefront: page template",
        "storefront/templates/home.html",
        replaced("{% block main %}", "{% block main %}<!-- {mark} -->"),
        get("/"),
    ),
    Edit("storefront: style", "storefront/static/style.css", appended("\n/* {mark} */\n"), get("/static/style.css")),
    Edit(
        "storefront: Python",
        "storefront/app/main.py",
        replaced('PlainTextResponse("ok"', 'PlainTextResponse("ok {mark}"'),
        get("/healthz", f"http://{HOST}:{STOREFRONT_PORT}"),
    ),
    Edit(
        "front door",
        "local/front_door/application.py",
        replaced('{"status": "ok"', '{"edit": "{mark}", "status": "ok"'),
        get("/healthz"),
    ),
)


def cpu_seconds(watch: Watch) -> float:
    """CPU seconds of the watch and of the shop's processes, with their children."""
    seconds = 0.0
    for root in filter(None, [watch.process, *(process.running() for process in ALL)]):
        for each in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


def seconds_until_visible(checkout: Checkout, watch: Watch, edit: Edit, mark: str) -> tuple[float, str]:
    """Make the edit; (seconds until it is visible, output of the watch)."""
    before = edit.answer() if mark not in edit.file else ""
    checkout.edit(edit.file, lambda text: edit.change(text, mark))
    started = time.monotonic()
    while True:
        try:
            answer = edit.answer()
            if mark in answer or (_is_digest(edit) and answer != before):
                break
        except (httpx.HTTPError, OSError):
            pass  # a process is restarting
        if time.monotonic() - started > LIMIT:
            raise TimeoutError(f"{edit.kind} {edit.file} was not visible after {LIMIT:.0f} s")
        time.sleep(0.02)
    return time.monotonic() - started, watch.outcome()


def _is_digest(edit: Edit) -> bool:
    """True if the edit is visible as another digest, which does not contain the mark."""
    return edit.kind in ("module of a service", "schema in the layer")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder))
        watch = Watch(checkout, {"SETPIECES_STATE": str(STATE)})
        results: list[dict[str, Any]] = []
        try:
            for number, edit in enumerate(EDITS, start=1):
                before = cpu_seconds(watch)
                seconds, printed = seconds_until_visible(checkout, watch, edit, f"mark{number:02}")
                # The CPU time of a replaced process is lost.
                cpu = max(0.0, cpu_seconds(watch) - before)
                console.print(f"{seconds:6.2f} s, {cpu:5.2f} s of CPU  {edit.kind:26} {edit.file}", highlight=False)
                row = {"kind": edit.kind, "file": edit.file, "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2)}
                results.append({**row, "printed": printed})
        finally:
            checkout.restore()
            watch.outcome(300)
            watch.stop()
            for process in (STOREFRONT, FRONT_DOOR_PROCESS):  # from the repository again
                process.stop()
            start_shop()
    times = [each["seconds"] for each in results]
    p50 = median(times)
    measured = f"p50 {p50:.2f} s, worst {max(times):.2f} s"
    verdict = Verdict("an edit in the running shop", f"p50 at most {TARGET:.0f} s", measured, p50 <= TARGET)
    rows = [{key: each[key] for key in ("kind", "file", "seconds", "cpu_seconds")} for each in results]
    report("edit_loop", "From saving a file until the change is visible", rows, [verdict], printed=results)


if __name__ == "__main__":
    main()
