"""The steps of a run in the order of the workflow: what they release, refuse and clean up."""

import pickle
from datetime import timedelta
from typing import Any

import boto3
import pytest
import time_machine
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends

from model.settings import REGION
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from sitemaps.handlers import plan_pages
from sitemaps.repository import objects
from sitemaps.repository import runs as repository
from tests.present import present
from tests.unit.sitemaps.runs import ORIGIN, Runs


def test_a_run_releases_every_page(runs: Runs):
    checked = runs.release("run-1")
    assert (checked["urls"], checked["files"], checked["changed"]) == (5, 1, True)
    assert runs.urls() == [
        f"{ORIGIN}{path}" for path in ("/", "/products", *(f"/products/{sku}" for sku in runs.products))
    ]
    robots = present(objects.read("release/robots.txt")).decode()
    assert f"Sitemap: {ORIGIN}/sitemap.xml" in robots
    assert "Disallow: /admin" in robots


def test_unchanged_pages_give_the_same_index_on_another_day(runs: Runs):
    runs.release("run-1", day="2026-01-02")
    before = objects.read("release/sitemap.xml")
    assert runs.check("run-2", day="2026-01-03")["changed"] is False
    assert objects.read("work/run-2/sitemap.xml") == before


def test_only_a_changed_page_has_the_day_of_the_run(runs: Runs):
    runs.release("run-1", day="2026-01-02")
    runs.products["SP-00001"]["name"] = "Another name"
    checked = runs.release("run-2", day="2026-01-03")
    [name] = checked["names"]
    content = present(objects.read(f"release/sitemaps/{name}")).decode()
    assert content.count("<lastmod>2026-01-03</lastmod>") == 1
    assert f"<loc>{ORIGIN}/products/SP-00001</loc><lastmod>2026-01-03</lastmod>" in content
    assert content.count("<lastmod>2026-01-02</lastmod>") == 4


def test_a_chunk_has_as_many_pages_as_a_file(runs: Runs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan_pages, "MAX_URLS", 4)
    runs.stock(7)
    checked = runs.release("run-1")
    assert (checked["chunks"], checked["urls"], checked["files"]) == (3, 9, 3)
    assert len(set(runs.urls())) == 9
    assert [name.split("-")[1] for name in checked["names"]] == ["1", "2", "3"]
    # A page of the list that two chunks share is read for both; each of its products is in one.
    assert runs.page_tokens.count("SP-00001") == 2


def test_as_many_pages_as_a_chunk_are_one_chunk(runs: Runs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plan_pages, "MAX_URLS", 5)
    assert runs.plan("run-1") == 1


@pytest.mark.parametrize("broken", [Answer(503, {}), Answer(200, "garbage")])
def test_an_unavailable_platform_ends_the_run(runs: Runs, broken):
    runs.broken_answer = broken
    with pytest.raises(ExternalUnavailable):
        runs.plan("run-1")


def refusal_reason(run_id: str) -> str:
    """The reason of a run, which is refused."""
    run = repository.load(run_id)
    assert run["status"] == "REFUSED"
    return present(run.get("reason"))


def test_a_release_without_pages_is_refused(runs: Runs):
    runs.service.variables["PAGES"] = ""
    runs.stock(0)
    with pytest.raises(Exception, match="names nothing"):
        runs.check("run-1")
    assert "names nothing" in refusal_reason("run-1")


def test_a_shop_that_shrank_is_refused_unless_forced(runs: Runs):
    runs.stock(18)
    runs.release("run-1")
    before = objects.read("release/sitemap.xml")
    runs.stock(13)
    with pytest.raises(Exception, match="15 URLs, and 20 were released"):
        runs.check("run-2")
    assert refusal_reason("run-2") == "15 URLs, and 20 were released: fewer than 80% of them"
    assert objects.read("release/sitemap.xml") == before
    assert runs.release("run-3", force=True)["urls"] == 15


def test_a_changed_file_is_refused(runs: Runs):
    chunks = runs.plan("run-1")
    [key] = runs.object_keys("work/run-1/sitemaps/")
    boto3.client("s3").put_object(Bucket=runs.bucket, Key=key, Body=b"<urlset/>")
    with pytest.raises(Exception, match="is not what was written"):
        runs.step("check_release", "run-1", chunks=chunks, force=False)
    assert "is not what was written" in refusal_reason("run-1")


def test_every_step_may_be_repeated(runs: Runs):
    chunks = runs.plan("run-1")
    assert runs.plan("run-1") == chunks
    first = runs.step("check_release", "run-1", chunks=chunks, force=False)
    assert runs.step("check_release", "run-1", chunks=chunks, force=False) == first
    runs.publish("run-1", first)
    runs.publish("run-1", first)
    for _ in range(2):
        runs.step("verify_release", "run-1", chunks=chunks)
        runs.step("clean_up", "run-1")
    assert len(runs.urls()) == 5


# (URLs of the release, result of the check, contents of bucket and table) before the copy, pickled; once per process.
PREPARED: list[bytes] = []


def prepare_copy(runs: Runs) -> tuple[list[str], dict[str, Any]]:
    """Release a run and check a second one, once; later tests restore bucket and table. (URLs of the release, the check)."""
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[runs.bucket]
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[runs.service.name("Table")]
    runs.stock(7)
    if not PREPARED:
        runs.release("run-1")
        before = runs.urls()
    runs.products["SP-00000"]["name"] = "Another name"
    runs.products["SP-00009"] = {"name": "New"}
    if PREPARED:
        before, checked, bucket.keys, table.items = pickle.loads(PREPARED[0])
    else:
        checked = runs.check("run-2")
        PREPARED.append(pickle.dumps((before, checked, bucket.keys, table.items)))
    return before, checked


@pytest.mark.parametrize("copied", range(5))
def test_a_copy_that_stops_anywhere_leaves_a_complete_release(runs: Runs, monkeypatch: pytest.MonkeyPatch, copied):
    monkeypatch.setattr(plan_pages, "MAX_URLS", 4)
    before, checked = prepare_copy(runs)
    runs.copy("run-2", checked, copied)
    assert runs.urls() == before
    runs.release("run-3")
    assert runs.urls() == [*before, f"{ORIGIN}/products/SP-00009"]


@pytest.mark.parametrize("missing", ["sitemap.xml", "sitemaps/"])
def test_an_incomplete_release_fails_verification(runs: Runs, missing):
    checked = runs.check("run-1")
    runs.publish("run-1", checked)
    for key in runs.object_keys(f"release/{missing}"):
        boto3.client("s3").delete_object(Bucket=runs.bucket, Key=key)
    with pytest.raises(Exception, match=r"\.xml"):
        runs.step("verify_release", "run-1", chunks=checked["chunks"])


def test_clean_up_keeps_two_releases_and_deletes_the_rest_after_a_week(runs: Runs):
    checked = [runs.release("run-1")]
    for number in (2, 3):
        runs.products["SP-00001"]["name"] = f"Name {number}"
        checked.append(runs.release(f"run-{number}", day=f"2026-01-0{number + 1}"))
    names = [result["names"][0] for result in checked]
    assert len({*names}) == 3
    assert all(f"release/sitemaps/{name}" in runs.object_keys() for name in names), "a week has not passed"
    with time_machine.travel(timedelta(days=8)):
        runs.step("clean_up", "run-3")
    assert runs.object_keys("release/sitemaps/") == sorted(f"release/sitemaps/{name}" for name in names[1:])
    assert {key.split("/")[1] for key in runs.object_keys("work/")} == {"run-2", "run-3"}
    assert len(runs.urls()) == 5


def test_the_released_index_is_invalidated_once(runs: Runs):
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
    runs.service.variables["DISTRIBUTION_ID"] = distribution
    runs.step("invalidate_index", "run-1")
    [invalidation] = cdn.list_invalidations(DistributionId=distribution)["InvalidationList"]["Items"]
    batch = cdn.get_invalidation(DistributionId=distribution, Id=invalidation["Id"])["Invalidation"][
        "InvalidationBatch"
    ]
    assert batch["Paths"]["Items"] == ["/sitemap.xml", "/robots.txt"]
    assert batch["CallerReference"] == "run-1"
