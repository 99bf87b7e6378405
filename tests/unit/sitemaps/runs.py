"""A run of the sitemaps workflow, step by step, and the commerce platform whose products it lists."""

from typing import Any

import boto3

from setpieces.external import Answer
from sitemaps.domain.checks import parse_locations
from sitemaps.repository import objects
from tests.service import Response, Service

ORIGIN = "https://shop.example"


class Runs:
    """The sitemaps service. The platform lists ``products`` in pages of ``page``, or gives ``broken_answer``."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.products: dict[str, dict[str, Any]] = {}
        self.page = 2
        self.broken_answer: Answer | None = None
        self.page_tokens: list[str] = []

    def stock(self, count: int, **members: Any) -> None:
        """The platform sells ``count`` products."""
        self.products = {f"SP-{number:05}": {"name": f"Set {number}"} | members for number in range(count)}

    def platform(self, system: str, method: str, path: str, *, query: dict[str, str], timeout: float) -> Answer:
        """As ``external.call``."""
        assert (system, method, path) == ("commerce", "GET", "products")
        token = query.get("page_token", "")
        self.page_tokens.append(token)
        if self.broken_answer:
            return self.broken_answer
        skus = sorted(sku for sku in self.products if sku > token)
        body: dict[str, Any] = {"items": [{"sku": sku} | self.products[sku] for sku in skus[: self.page]]}
        if skus[self.page :]:
            body["next_page_token"] = skus[self.page - 1]
        return Answer(200, body)

    # --- the steps of the workflow ---

    def step(self, function: str, run_id: str, **more: Any) -> Any:
        return self.service.invoke(function, {"run_id": run_id, **more})

    def plan(self, run_id: str, day: str = "2026-01-02", dry_run: bool = False, force: bool = False) -> int:
        """Plan pages and write files, as the workflow does; the number of chunks."""
        arguments = {"started_at": f"{day}T03:00:00Z", "dry_run": dry_run, "force": force}
        plan: dict[str, Any] = {"chunk": 1, "token": "", "after": "", "more": True}
        while plan.pop("more"):
            plan = self.step("plan_pages", run_id, execution=self.execution_arn(run_id), **arguments, **plan)
        for chunk in range(1, plan["chunk"] + 1):
            self.step("write_files", run_id, chunk=chunk)
        return int(plan["chunk"])

    def check(self, run_id: str, force: bool = False, **options: Any) -> dict[str, Any]:
        """The result of the check, with the number of ``chunks``."""
        chunks = self.plan(run_id, force=force, **options)
        result: dict[str, Any] = self.step("check_release", run_id, chunks=chunks, force=force)
        return result | {"chunks": chunks}

    def copy(self, run_id: str, checked: dict[str, Any], most: int | None = None) -> None:
        """What the workflow copies before it releases the index; not more than ``most`` files."""
        names = [*(f"sitemaps/{name}" for name in checked["names"]), "robots.txt"]
        for name in names[:most]:
            self.copy_object(f"work/{run_id}/{name}", f"release/{name}")

    def release_index(self, run_id: str) -> None:
        self.step("release_index", run_id, execution=self.execution_arn(run_id))

    def publish(self, run_id: str, checked: dict[str, Any]) -> None:
        self.copy(run_id, checked)
        self.release_index(run_id)

    def release(self, run_id: str, **options: Any) -> dict[str, Any]:
        """A run from its first step to its last; the result of its check."""
        checked = self.check(run_id, **options)
        self.publish(run_id, checked)
        self.step("verify_release", run_id, chunks=checked["chunks"])
        self.step("clean_up", run_id)
        return checked

    # --- executions ---

    @property
    def machine(self) -> str:
        return self.service.name("GenerateSitemaps")

    def execution_arn(self, name: str) -> str:
        return f"{self.service.environment('show_run')['EXECUTION_ARN_PREFIX']}:{name}"

    def start_execution(self, name: str) -> str:
        execution = boto3.client("stepfunctions").start_execution(stateMachineArn=self.machine, name=name, input="{}")
        return str(execution["executionArn"])

    def executions(self) -> list[dict[str, Any]]:
        executions: list[dict[str, Any]] = boto3.client("stepfunctions").list_executions(stateMachineArn=self.machine)[
            "executions"
        ]
        return executions

    # --- over HTTP ---

    def call(self, function: str, body: Any = None, *, key: str = "", run_id: str = "") -> Response:
        return self.service.call(
            function,
            body,
            headers={"idempotency-key": key} if key else None,
            path={"run_id": run_id} if run_id else None,
            authorizer={"principalId": "grace"},
        )

    # --- what is stored ---

    @property
    def bucket(self) -> str:
        return self.service.environment("plan_pages")["BUCKET_NAME"]

    def object_keys(self, prefix: str = "") -> list[str]:
        listing = boto3.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for entry in listing.get("Contents", [])]

    def copy_object(self, source: str, target: str) -> None:
        boto3.client("s3").copy_object(Bucket=self.bucket, CopySource=f"{self.bucket}/{source}", Key=target)

    def urls(self) -> list[str]:
        """All locations in the files of the released index."""
        index = objects.read("release/sitemap.xml") or b""
        names = [url.removeprefix(f"{ORIGIN}/") for url in parse_locations(index)]
        return [url for name in names for url in parse_locations(objects.read(f"release/{name}") or b"")]
