"""Links to the file of a batch."""

import json
from datetime import UTC, datetime, timedelta

import httpx

from tests.faults import Faults
from tests.unit.vouchers.batches import Batches
from vouchers.domain.batches import CANCELLED


def test_a_link_has_the_requested_expiry(batches: Batches):
    batch_id = batches.create_complete()
    download = batches.call("show_batch", batch_id=batch_id, query={"link_seconds": "60"}).body["download"]
    life = datetime.fromisoformat(download["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=50) < life <= timedelta(seconds=61)
    assert "X-Amz-Expires=60" in download["url"]
    assert f"release/{batch_id}.csv" in download["url"]


def test_only_a_complete_batch_has_a_link(batches: Batches):
    batch_id = batches.request()
    status, headers, body = batches.call("show_batch", batch_id=batch_id)
    assert (status, headers["Retry-After"], "download" in body) == (200, "1", False)
    batches.run(batch_id)
    batches.complete(batch_id)
    assert "download" in batches.call("show_batch", batch_id=batch_id).body
    assert batches.call("cancel_batch", batch_id=batch_id).status == 200
    assert batches.call("cancel_batch", batch_id=batch_id).body["status"] == CANCELLED
    assert "download" not in batches.call("show_batch", batch_id=batch_id).body
    assert f"release/{batch_id}.csv" not in batches.object_keys()


def test_an_unknown_batch_is_404(batches: Batches):
    for function in ("show_batch", "cancel_batch"):
        assert batches.call(function, batch_id="VB" + "0" * 24).body["code"] == "BATCH_NOT_FOUND"
        assert batches.call(function, batch_id="x").status == 400


def test_a_one_time_link_works_once(batches: Batches):
    batch_id = batches.create_complete(one_time=True)
    url = batches.call("show_batch", batch_id=batch_id).body["download"]["url"]
    api, _, token = url.rpartition("/")
    assert api == "https://Api.execute-api.eu-central-1.amazonaws.com/local/v1/voucher-downloads"
    assert token not in json.dumps(batches.service.items("DownloadsTable"))
    status, headers, _ = batches.call("exchange_link", token=token)
    assert status == 303
    assert "X-Amz-Expires=60" in httpx.URL(headers["Location"]).query.decode()
    assert batches.call("exchange_link", token=token).body["code"] == "DOWNLOAD_NOT_FOUND"


def test_a_one_time_link_works_when_the_sdk_repeats_its_use(batches: Batches, faults: Faults):
    batch_id = batches.create_complete(one_time=True)
    token = batches.call("show_batch", batch_id=batch_id).body["download"]["url"].rpartition("/")[2]
    with faults.lose_response("UpdateItem"):
        assert batches.call("exchange_link", token=token).status == 303
    assert batches.call("exchange_link", token=token).status == 404


def test_an_expired_unknown_or_malformed_token_is_404(batches: Batches):
    batch_id = batches.create_complete(one_time=True)
    url = batches.call("show_batch", batch_id=batch_id, query={"link_seconds": "1"}).body["download"]["url"]
    [link] = batches.service.items("DownloadsTable")
    batches.service.put("DownloadsTable", link | {"expires_at": 1})
    for token in (url.rpartition("/")[2], "A" * 43, "", "x" * 200):
        assert batches.call("exchange_link", token=token).status == 404
