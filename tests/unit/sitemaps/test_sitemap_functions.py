"""The steps of a run against AWS as moto has it, in the order of the workflow; and what is asked of runs over HTTP."""

import importlib
import json
import os
import pickle
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends

from local.settings import ROOT
from setpieces import aws
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from setpieces.idempotency import key_digest
from sitemaps.domain import files as files_module
from sitemaps.domain import pages
from sitemaps.domain.check import locations
from sitemaps.repository import files as store
from sitemaps.repository import runs as runs_module
from tests.lambda_events import CONTEXT
from tests.unit.interleave import meanwhile
from tests.unit.lost_answers import repeat
from tests.unit.tables import mocked_table

ORIGIN = "https://shop.example"
MACHINE = json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch):
    """The bucket, the table, a state machine, and a platform with ``products``; ``asked`` are the page tokens."""
    state: Any = SimpleNamespace(products={}, asked=[], page=2, broken=None)

    def call(system: str, method: str, path: str, *, query: dict[str, str], timeout: float) -> Answer:
        assert (system, method, path) == ("commerce", "GET", "products")
        state.asked.append(query.get("page_token", ""))
        if state.broken:
            return state.broken
        skus = sorted(sku for sku in state.products if sku > query.get("page_token", ""))
        body: dict[str, Any] = {"items": [{"sku": sku} | state.products[sku] for sku in skus[: state.page]]}
        if skus[state.page :]:
            body["next_page_token"] = skus[state.page - 1]
        return Answer(200, body)

    monkeypatch.setattr(pages.external, "call", call)
    # Runs of these tests have no execution, unless a test starts one: they are over at once.
    monkeypatch.setattr(runs_module, "UNKNOWN_SECONDS", 0)
    with mocked_table(monkeypatch, "runs", "run_id"):
        state.s3 = boto3.client("s3")
        state.s3.create_bucket(Bucket="files", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        state.steps = boto3.client("stepfunctions")
        state.machine = state.steps.create_state_machine(
            name="generate", definition=MACHINE, roleArn=f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/machine"
        )["stateMachineArn"]
        for name, value in {
            "TABLE_NAME": "runs",
            "BUCKET_NAME": "files",
            "ORIGIN": ORIGIN,
            "PAGES": "/,/products",
            "STATE_MACHINE_ARN": state.machine,
            "EXECUTION_ARN_PREFIX": state.machine.replace(":stateMachine:", ":execution:"),
            "DISTRIBUTION_ID": "E1",
        }.items():
            monkeypatch.setenv(name, value)
        stock(state, 3)
        yield state


def stock(world: Any, count: int, **shown: Any) -> None:
    """The platform sells ``count`` products."""
    world.products = {f"SP-{number:05}": {"name": f"Set {number}"} | shown for number in range(count)}


def step(function: str, run_id: str, **more: Any) -> Any:
    return importlib.import_module(f"sitemaps.handlers.{function}").handler({"run_id": run_id, **more}, CONTEXT)


def planned(run_id: str, day: str = "2026-01-02", dry_run: bool = False, force: bool = False) -> int:
    """Plan and generate, as the workflow does; the number of chunks."""
    execution = f"{os.environ['EXECUTION_ARN_PREFIX']}:{run_id}"
    arguments = {"execution": execution, "started_at": f"{day}T03:00:00Z", "dry_run": dry_run, "force": force}
    plan = {"chunk": 1, "token": "", "after": "", "more": True}
    while plan.pop("more"):
        plan = step("plan_pages", run_id, **arguments, **plan)
    for chunk in range(1, plan["chunk"] + 1):
        step("write_files", run_id, chunk=chunk)
    return plan["chunk"]


def checked(run_id: str, force: bool = False, **how: Any) -> dict[str, Any]:
    chunks = planned(run_id, force=force, **how)
    return step("check_release", run_id, chunks=chunks, force=force) | {"chunks": chunks}


def copy(world: Any, run_id: str, made: dict[str, Any], most: int | None = None) -> None:
    """What the workflow copies before it releases the index; not more than ``most``."""
    names = [*(f"sitemaps/{name}" for name in made["names"]), "robots.txt"]
    for name in names[:most]:
        world.s3.copy_object(Bucket="files", CopySource=f"files/work/{run_id}/{name}", Key=f"release/{name}")


def publish(world: Any, run_id: str, made: dict[str, Any]) -> None:
    copy(world, run_id, made)
    release_index(run_id)


def release_index(run_id: str) -> None:
    step("release_index", run_id, execution=f"{os.environ['EXECUTION_ARN_PREFIX']}:{run_id}")


def released(world: Any, run_id: str, **how: Any) -> dict[str, Any]:
    made = checked(run_id, **how)
    publish(world, run_id, made)
    step("verify_release", run_id, chunks=made["chunks"])
    step("clean_up", run_id)
    return made


def urls(prefix: str = "release/") -> list[str]:
    """All locations that the index leads to."""
    found = []
    for file in locations(store.read(f"{prefix}sitemap.xml") or b""):
        found += locations(store.read(prefix + file.removeprefix(f"{ORIGIN}/")) or b"")
    return found


def keys(world: Any, prefix: str = "") -> list[str]:
    return [each["Key"] for each in world.s3.list_objects_v2(Bucket="files", Prefix=prefix).get("Contents", [])]


def test_a_run_releases_every_page(world):
    made = released(world, "run-1")
    assert (made["urls"], made["files"], made["changed"]) == (5, 1, True)
    assert urls() == [f"{ORIGIN}{path}" for path in ("/", "/products", *(f"/products/{sku}" for sku in world.products))]
    robots = store.read("release/robots.txt").decode()
    assert f"Sitemap: {ORIGIN}/sitemap.xml" in robots
    assert "Disallow: /admin" in robots


def test_the_same_pages_are_the_same_bytes_on_another_day(world):
    released(world, "run-1", day="2026-01-02")
    before = store.read("release/sitemap.xml")
    assert checked("run-2", day="2026-01-03")["changed"] is False
    assert store.read("work/run-2/sitemap.xml") == before


def test_only_what_changed_has_the_day_of_the_run(world):
    released(world, "run-1", day="2026-01-02")
    world.products["SP-00001"]["name"] = "Another name"
    made = released(world, "run-2", day="2026-01-03")
    [name] = made["names"]
    content = store.read(f"release/sitemaps/{name}").decode()
    assert content.count("<lastmod>2026-01-03</lastmod>") == 1
    assert f"<loc>{ORIGIN}/products/SP-00001</loc><lastmod>2026-01-03</lastmod>" in content
    assert content.count("<lastmod>2026-01-02</lastmod>") == 4


def test_a_chunk_ends_where_a_file_must_end(world, monkeypatch):
    monkeypatch.setattr(importlib.import_module("sitemaps.handlers.plan_pages"), "MAX_URLS", 4)
    monkeypatch.setattr(files_module, "MAX_URLS", 4)
    stock(world, 7)
    made = released(world, "run-1")
    assert (made["chunks"], made["urls"], made["files"]) == (3, 9, 3)
    assert len(set(urls())) == 9
    assert [name.split("-")[1] for name in made["names"]] == ["1", "2", "3"]
    # A page of the list that two chunks share is read for both, and named in one.
    assert world.asked.count("SP-00001") == 2


def test_exactly_a_chunk_is_one(world, monkeypatch):
    monkeypatch.setattr(importlib.import_module("sitemaps.handlers.plan_pages"), "MAX_URLS", 5)
    assert planned("run-1") == 1


@pytest.mark.parametrize("broken", [Answer(503, {}), Answer(200, "garbage")])
def test_a_platform_that_does_not_answer_ends_no_list(world, broken):
    world.broken = broken
    with pytest.raises(ExternalUnavailable):
        planned("run-1")


def refused(run_id: str) -> str:
    """Why the run was refused."""
    run = runs_module.find(run_id)
    assert run["status"] == "REFUSED"
    return run["reason"]


def test_no_page_at_all_is_refused(world, monkeypatch):
    monkeypatch.setenv("PAGES", "")
    stock(world, 0)
    with pytest.raises(Exception, match="names nothing"):
        checked("run-1")
    assert "names nothing" in refused("run-1")


def test_a_shop_that_shrank_is_refused_unless_forced(world):
    stock(world, 18)
    released(world, "run-1")
    before = store.read("release/sitemap.xml")
    stock(world, 13)
    with pytest.raises(Exception, match="15 URLs, and 20 were released"):
        checked("run-2")
    assert refused("run-2") == "15 URLs, and 20 were released: fewer than 80% of them"
    assert store.read("release/sitemap.xml") == before
    assert released(world, "run-3", force=True)["urls"] == 15


def test_a_file_that_somebody_changed_is_refused(world):
    chunks = planned("run-1")
    [key] = keys(world, "work/run-1/sitemaps/")
    world.s3.put_object(Bucket="files", Key=key, Body=b"<urlset/>")
    with pytest.raises(Exception, match="is not what was written"):
        step("check_release", "run-1", chunks=chunks, force=False)
    assert "is not what was written" in refused("run-1")


def test_every_step_may_be_repeated(world):
    chunks = planned("run-1")
    assert planned("run-1") == chunks
    first = step("check_release", "run-1", chunks=chunks, force=False)
    assert step("check_release", "run-1", chunks=chunks, force=False) == first
    publish(world, "run-1", first)
    publish(world, "run-1", first)
    for _ in range(2):
        step("verify_release", "run-1", chunks=chunks)
        step("clean_up", "run-1")
    assert len(urls()) == 5


# What was released before the copy and what is to be copied; what bucket and table hold then. For each process.
TO_BE_COPIED: list[bytes] = []


def to_be_copied(world: Any) -> tuple[list[str], dict[str, Any]]:
    """A release, and the checked files of a second run. Made by the first test; later ones restore bucket and table."""
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets["files"]
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID]["eu-central-1"].tables["runs"]
    stock(world, 7)
    if not TO_BE_COPIED:
        released(world, "run-1")
        before = urls()
    world.products["SP-00000"]["name"] = "Another name"
    world.products["SP-00009"] = {"name": "New"}
    if TO_BE_COPIED:
        before, made, bucket.keys, table.items = pickle.loads(TO_BE_COPIED[0])
    else:
        made = checked("run-2")
        TO_BE_COPIED.append(pickle.dumps((before, made, bucket.keys, table.items)))
    return before, made


@pytest.mark.parametrize("copied", range(5))
def test_a_copy_that_ends_anywhere_leaves_a_whole_release(world, monkeypatch, copied):
    monkeypatch.setattr(importlib.import_module("sitemaps.handlers.plan_pages"), "MAX_URLS", 4)
    before, made = to_be_copied(world)
    copy(world, "run-2", made, copied)
    assert urls() == before
    released(world, "run-3")
    assert urls() == [*before, f"{ORIGIN}/products/SP-00009"]


@pytest.mark.parametrize("lost", ["sitemap.xml", "sitemaps/"])
def test_a_release_that_is_not_whole_is_seen(world, lost):
    made = checked("run-1")
    publish(world, "run-1", made)
    for key in keys(world, f"release/{lost}"):
        world.s3.delete_object(Bucket="files", Key=key)
    with pytest.raises(Exception, match=r"\.xml"):
        step("verify_release", "run-1", chunks=made["chunks"])


class Later(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(UTC) + timedelta(days=8)


def test_what_two_releases_need_stays_and_the_rest_goes_after_a_week(world, monkeypatch):
    made = [released(world, "run-1")]
    for number in (2, 3):
        world.products["SP-00001"]["name"] = f"Name {number}"
        made.append(released(world, f"run-{number}", day=f"2026-01-0{number + 1}"))
    names = [each["names"][0] for each in made]
    assert len({*names}) == 3
    assert all(f"release/sitemaps/{name}" in keys(world) for name in names), "a week has not gone by"
    monkeypatch.setattr(importlib.import_module("sitemaps.handlers.clean_up"), "datetime", Later)
    step("clean_up", "run-3")
    assert keys(world, "release/sitemaps/") == sorted(f"release/sitemaps/{name}" for name in names[1:])
    assert {key.split("/")[1] for key in keys(world, "work/")} == {"run-2", "run-3"}
    assert len(urls()) == 5


# --- what is released stays what was compared with ---
def test_a_run_that_is_redriven_does_not_replace_a_newer_release(world):
    """Its execution was stopped before the release of the index, and goes on there after another run."""
    old = checked("run-1")
    copy(world, "run-1", old)
    world.products["SP-00001"]["name"] = "Another name"
    released(world, "run-2")
    before = store.read("release/sitemap.xml")
    with pytest.raises(Exception, match="run-2 is released"):
        release_index("run-1")
    assert store.read("release/sitemap.xml") == before


def test_a_run_that_is_redriven_waits_for_the_one_that_is_at_work(world):
    made = checked("run-1")
    copy(world, "run-1", made)
    runs_module.take(started(world, "run-2"))
    with pytest.raises(runs_module.Busy):
        release_index("run-1")
    assert store.index() == store.Index()


@pytest.mark.parametrize("first", [True, False], ids=["first release", "later release"])
def test_of_two_runs_that_release_at_once_one_does(world, monkeypatch, first):
    """Both have found the lock free: the other one's index comes between this one's look and its write."""
    if not first:
        released(world, "run-0")
    made = []
    for run in ("run-1", "run-2"):
        stock(world, 4, description=run)
        made.append(checked(run))
    meanwhile(monkeypatch, "PutObject", lambda: publish(world, "run-2", made[1]))
    copy(world, "run-1", made[0])
    with pytest.raises(Exception, match="another run was first"):
        release_index("run-1")
    assert store.index().run_id == "run-2"
    step("verify_release", "run-2", chunks=1)


def test_an_index_whose_answer_was_lost_is_released(world, monkeypatch):
    made = checked("run-1")
    copy(world, "run-1", made)
    repeat(monkeypatch, aws.patient_client("s3"), "put_object")
    release_index("run-1")
    assert store.index().run_id == "run-1"


def test_a_run_that_was_stopped_before_its_index_was_never_released(world, monkeypatch):
    """Clean-up keeps what crawlers really had, and the next run compares itself with that."""
    stock(world, 8)
    old = released(world, "run-1", day="2026-01-02")
    stock(world, 20)
    copy(world, "run-2", checked("run-2", day="2026-01-03"))
    stock(world, 9)
    made = checked("run-3", day="2026-01-04")
    assert store.manifest("run-3")["before"] == "run-1"
    publish(world, "run-3", made)
    monkeypatch.setattr(importlib.import_module("sitemaps.handlers.clean_up"), "datetime", Later)
    step("clean_up", "run-3")
    assert {f"release/sitemaps/{name}" for name in old["names"]} <= set(keys(world))


def test_an_index_that_was_released_without_its_run_is_the_one_of_the_manifest_beside_it(world):
    """As releases were made once."""
    made = released(world, "run-1", day="2026-01-02")
    for name in ("manifest.json", "sitemap.xml"):
        world.s3.copy_object(Bucket="files", CopySource=f"files/work/run-1/{name}", Key=f"release/{name}")
    assert store.index().run_id == ""
    assert (store.released()["run_id"], store.released()["urls"]) == ("run-1", made["urls"])
    assert checked("run-2", day="2026-01-03")["changed"] is False
    world.products["SP-00001"]["name"] = "Another name"
    released(world, "run-3", day="2026-01-04")
    assert store.index().run_id == "run-3"


# --- one at a time ---
def started(world: Any, name: str) -> str:
    return world.steps.start_execution(stateMachineArn=world.machine, name=name, input="{}")["executionArn"]


def test_only_one_run_is_at_work(world):
    mine, other = started(world, "mine"), started(world, "other")
    runs_module.take(mine)
    runs_module.take(mine)
    with pytest.raises(runs_module.Busy):
        runs_module.take(other)
    world.steps.stop_execution(executionArn=mine)
    runs_module.take(other)


def test_a_run_that_step_functions_has_forgotten_holds_no_lock(world, monkeypatch):
    """But one that has only just taken the lock may not be known yet."""
    monkeypatch.setattr(runs_module, "UNKNOWN_SECONDS", 30)
    other, now = started(world, "other"), time.time()
    runs_module.take(f"{world.machine.replace(':stateMachine:', ':execution:')}:forgotten")
    with pytest.raises(runs_module.Busy):
        runs_module.take(other)
    monkeypatch.setattr(runs_module.time, "time", lambda: now + 31)
    runs_module.take(other)


def test_a_run_waits_for_another_as_long_as_the_documents_say():
    """Each state that may find another run at work, by its own retries."""
    machine = json.loads((ROOT / "statemachines" / "generate-sitemaps.asl.json").read_text())
    rules = [
        rule
        for state in machine["States"].values()
        for rule in state.get("Retry", [])
        if rule["ErrorEquals"] == ["Busy"]
    ]
    assert len(rules) == 2
    for rule in rules:
        growing = (rule["IntervalSeconds"] * rule["BackoffRate"] ** number for number in range(rule["MaxAttempts"]))
        assert 40 * 60 <= sum(min(seconds, rule["MaxDelaySeconds"]) for seconds in growing) < 41 * 60
    for page in ("set-pieces/sitemaps.md", "runbooks/refused-sitemaps.md"):
        assert "40 minutes" in (ROOT / "docs" / page).read_text()


def test_of_two_that_see_the_same_run_gone_one_is_first(world, monkeypatch):
    mine, other = started(world, "mine"), started(world, "other")
    runs_module.take(other)
    monkeypatch.setattr(runs_module, "find", lambda _: {"execution": "gone"})
    monkeypatch.setattr(runs_module, "_execution", lambda _: "ABORTED")
    with pytest.raises(runs_module.Busy):
        runs_module.take(mine)


# --- over HTTP ---
def call(function: str, body: Any = None, *, key: str = "", run_id: str = ""):
    """(status, headers, body) of an API function."""
    event = {
        "httpMethod": "POST",
        "path": "/v1/sitemaps/runs",
        "headers": {"content-type": "application/json"} | ({"idempotency-key": key} if key else {}),
        "pathParameters": {"run_id": run_id},
        "queryStringParameters": None,
        "requestContext": {
            "requestId": "r",
            "path": "/sitemaps/v1/sitemaps/runs",
            "authorizer": {"principalId": "grace"},
        },
        "body": json.dumps(body) if body is not None else None,
    }
    answer = importlib.import_module(f"sitemaps.handlers.{function}").handler(event, CONTEXT)
    return answer["statusCode"], answer["headers"], json.loads(answer["body"])


def test_a_run_is_started_and_shown(world):
    status, headers, run = call("start_run")
    assert (status, run["status"], run["dry_run"], run["force"]) == (202, "PENDING", False, False)
    assert headers["Location"] == f"/sitemaps/v1/sitemaps/runs/{run['run_id']}"
    [execution] = world.steps.list_executions(stateMachineArn=world.machine)["executions"]
    assert execution["name"] == run["run_id"]
    asked = world.steps.describe_execution(executionArn=execution["executionArn"])["input"]
    assert json.loads(asked) == {"dry_run": False, "force": False}
    status, headers, shown = call("show_run", run_id=run["run_id"])
    assert (status, shown, headers["Retry-After"]) == (200, run, "1")
    runs_module.note(run["run_id"], status="RELEASED", urls=5)
    status, headers, shown = call("show_run", run_id=run["run_id"])
    assert (shown["status"], shown["urls"], "Retry-After" in headers) == ("RELEASED", 5, False)
    assert "purge_at" not in shown


def test_the_same_key_is_the_same_run(world):
    first, again = (call("start_run", {"dry_run": True}, key="k")[2] for _ in range(2))
    assert first["run_id"] == again["run_id"]
    assert len(world.steps.list_executions(stateMachineArn=world.machine)["executions"]) == 1
    status, _, problem = call("start_run", {"dry_run": False}, key="k")
    assert (status, problem["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert call("start_run", {"dry_run": True}, key="l")[2]["run_id"] != first["run_id"]


def test_of_two_runs_with_one_key_asked_for_at_once_one_is_made(world, monkeypatch):
    """The other is answered as if it had come later, and does not undo how far the run is."""
    answers = []

    def other() -> None:
        answers.append(call("start_run", {"dry_run": True}, key="k"))
        runs_module.note(answers[0][2]["run_id"], status="RUNNING")

    meanwhile(monkeypatch, "UpdateItem", other)
    status, _, problem = call("start_run", {"dry_run": False}, key="k")
    assert (status, problem["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    [(status, _, run)] = answers
    assert (status, run["dry_run"]) == (202, True)
    assert call("show_run", run_id=run["run_id"])[2]["status"] == "RUNNING"


def test_a_run_is_made_though_the_answer_of_the_table_was_lost(world, monkeypatch):
    repeat(monkeypatch, aws.client("dynamodb"), "update_item")
    assert call("start_run", {"dry_run": True})[0] == 202


@pytest.mark.parametrize("body", [{"dry_run": "yes"}, {"force": 1}, {"what": True}, [], "x"])
def test_what_nobody_can_mean_is_refused(world, body):
    assert call("start_run", body)[0] == 400
    assert world.steps.list_executions(stateMachineArn=world.machine)["executions"] == []


@pytest.mark.parametrize(("run_id", "status"), [("nobody", 404), ("LOCK", 404), ("a b", 400), ("x" * 81, 400)])
def test_runs_that_nobody_knows(world, run_id, status):
    runs_module.take(started(world, "mine"))
    assert call("show_run", run_id=run_id)[0] == status


def test_a_run_that_was_stopped_from_outside_has_failed(world):
    run_id = call("start_run")[2]["run_id"]
    [execution] = world.steps.list_executions(stateMachineArn=world.machine)["executions"]
    world.steps.stop_execution(executionArn=execution["executionArn"])
    _, headers, shown = call("show_run", run_id=run_id)
    assert (shown["status"], shown["reason"], "Retry-After" in headers) == ("FAILED", "ABORTED", False)


def test_a_run_whose_start_was_lost_is_pending_until_it_is_asked_for_again(world):
    run_id = f"run-{key_digest('grace', 'k')}"
    runs_module.note(run_id, status="PENDING", dry_run=False, force=False)
    assert call("show_run", run_id=run_id)[2]["status"] == "PENDING"
    assert call("start_run", {}, key="k")[2]["run_id"] == run_id
    assert len(world.steps.list_executions(stateMachineArn=world.machine)["executions"]) == 1


def test_the_cdn_asks_for_the_index_again_once(world):
    cdn = boto3.client("cloudfront")
    origin = {
        "Id": "o",
        "DomainName": "files.s3.eu-central-1.amazonaws.com",
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }
    behaviour = {"TargetOriginId": "o", "ViewerProtocolPolicy": "https-only"}
    distribution = cdn.create_distribution(
        DistributionConfig={
            "CallerReference": "c",
            "Comment": "",
            "Enabled": True,
            "Origins": {"Quantity": 1, "Items": [origin]},
            "DefaultCacheBehavior": behaviour,
        }
    )["Distribution"]["Id"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTRIBUTION_ID", distribution)
        step("invalidate_index", "run-1")
    [made] = cdn.list_invalidations(DistributionId=distribution)["InvalidationList"]["Items"]
    batch = cdn.get_invalidation(DistributionId=distribution, Id=made["Id"])["Invalidation"]["InvalidationBatch"]
    assert batch["Paths"]["Items"] == ["/sitemap.xml", "/robots.txt"]
    assert batch["CallerReference"] == "run-1"
