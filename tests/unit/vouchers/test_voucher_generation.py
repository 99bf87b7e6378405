"""The steps of the state machine that generates a batch: repetitions, crashes, cancellations."""

import contextlib
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from setpieces import aws, signed_client
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.faults import Crash, Faults, throttled
from tests.unit.vouchers.batches import OTHER_ORDER, Batches, minutes_ago
from vouchers.clients.code_keys import code_key
from vouchers.clients.sequences import SequencesUnavailable
from vouchers.domain.batches import CANCELLED, COMPLETE, NOTIFYING, BatchOver
from vouchers.domain.codes import HALF, RADIX, make_codes, voucher_number
from vouchers.domain.permutation import Permutation
from vouchers.repository import batches as repository
from vouchers.repository import files, vouchers


@pytest.mark.parametrize("count", [1, 24, 5_001])
def test_file_table_manifest_and_status_agree(batches: Batches, count):
    batch_id = batches.create_complete(count=count)
    content = batches.codes(batch_id)
    assert len(content) == len(set(content)) == count
    stored = {item["code"] for item in batches.service.items("VouchersTable")}
    assert stored == set(content)
    manifest = json.loads(batches.service.read_object("Bucket", f"release/{batch_id}.json"))
    status, _, view = batches.call("show_batch", batch_id=batch_id)
    assert (status, view["status"], view["generated"], view["count"]) == (200, COMPLETE, count, count)
    assert manifest == {
        "batch_id": batch_id,
        "count": count,
        "bytes": len(batches.file(batch_id)),
        "sha256": view["sha256"],
    }
    assert batches.object_keys() == [f"release/{batch_id}.csv", f"release/{batch_id}.json"]
    assert "notify" not in view


def test_each_batch_has_a_salt_and_its_codes_need_it(batches: Batches, faults: Faults):
    """The key of a version, without the key of the batch, gives none of its codes."""
    one, other = batches.create_complete(count=30), batches.create_complete(count=30)
    salts = [batches.stored(batch_id)["code_salt"] for batch_id in (one, other)]
    assert len(set(salts)) == 2
    permutation = Permutation(code_key(1), RADIX, HALF)
    messages = [request["Message"].decode() for request in faults.requests("GenerateMac")]
    assert sorted(messages) == sorted(["voucher-codes/1", *(f"voucher-codes/1/{salt}" for salt in salts)])
    known = make_codes(permutation, 1, batches.stored(one)["first"], 30)
    assert not set(known) & set(batches.codes(one))
    numbers = [[voucher_number(permutation, code) for code in each] for each in (batches.codes(one), known)]
    assert numbers[0] == numbers[1]
    assert salts[0] not in json.dumps(batches.call("show_batch", batch_id=one).body)


def test_a_batch_without_a_salt_keeps_its_codes(batches: Batches):
    batch_id = batches.request(count=30)
    repository.update(batch_id, code_salt=None, updated_at=minutes_ago(0))
    batches.run(batch_id)
    permutation = Permutation(code_key(1), RADIX, HALF)
    assert batches.codes(batch_id) == make_codes(permutation, 1, batches.stored(batch_id)["first"], 30)


def test_a_restarted_execution_stores_the_same_file(batches: Batches, small_chunks):
    batch_id = batches.request(count=1_200)
    first, second, third = batches.step("lease_range", batch_id)["chunks"]
    batches.step("generate_chunk", batch_id, chunk=second)
    vouchers.store(["3LEFTOVER"], batch_id, 0, 10)
    # A second execution keeps the numbers and the chunks that are done.
    assert batches.step("lease_range", batch_id)["chunks"] == [first, third]
    batches.step("generate_chunk", batch_id, chunk=first)
    batches.step("generate_chunk", batch_id, chunk=first)
    batches.step("generate_chunk", batch_id, chunk=second)
    batches.step("generate_chunk", batch_id, chunk=third)
    batches.step("store_file", batch_id)
    file = batches.file(batch_id)
    # A third one, although all chunks are done.
    assert batches.step("lease_range", batch_id)["chunks"] == []
    batches.step("store_file", batch_id)
    assert batches.file(batch_id) == file
    assert batches.leases == 1
    assert len(file.split()) == 1_200


def test_expired_parts_are_generated_again_with_the_same_codes(batches: Batches, small_chunks):
    """Parts expire after a day; a failed batch may be restarted later."""
    batch_id = batches.request(count=1_200)
    chunks = batches.step("lease_range", batch_id)["chunks"]
    for chunk in chunks:
        batches.step("generate_chunk", batch_id, chunk=chunk)
    parts = {key: batches.service.read_object("Bucket", key) for key in batches.object_keys()}
    expired = sorted(parts)[1]
    boto3.client("s3").delete_object(Bucket=batches.bucket, Key=expired)
    assert batches.step("lease_range", batch_id)["chunks"] == [chunks[1]]
    batches.step("generate_chunk", batch_id, chunk=chunks[1])
    assert batches.service.read_object("Bucket", expired) == parts[expired]
    batches.step("store_file", batch_id)
    # The file is stored, so the missing parts are not generated again.
    assert batches.step("lease_range", batch_id)["chunks"] == []


def test_a_file_is_uploaded_with_the_checksums_of_its_parts(batches: Batches):
    """S3 accepts the checksums that the SDK sends if the upload names their algorithm, and requires them to complete it.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """
    requests: dict[str, dict[str, Any]] = {}

    def record(params: dict[str, Any], model: Any, **_: Any) -> None:
        requests[model.name] = dict(params)

    for client in (aws.client("s3"), aws.patient_client("s3")):
        client.meta.events.register("before-parameter-build.s3", record)
    batches.run(batches.request(count=30))
    assert (
        requests["CreateMultipartUpload"]["ChecksumAlgorithm"] == requests["UploadPart"]["ChecksumAlgorithm"] == "CRC32"
    )
    assert [part["ChecksumCRC32"] for part in requests["CompleteMultipartUpload"]["MultipartUpload"]["Parts"]]


def test_a_repeated_step_deletes_the_parts_that_its_first_attempt_could_not(batches: Batches, faults: Faults):
    """The repeated step continues with the stored file; the batch does not wait for the sweep of stalled batches."""
    batch_id = batches.request(count=30)
    faults.fail("DeleteObjects", throttled("DeleteObjects"), times=1)
    with pytest.raises(ClientError, match="Throttling"):
        batches.run(batch_id)
    batches.step("store_file", batch_id)
    assert batches.stored(batch_id)["status"] == NOTIFYING
    assert batches.object_keys() == [f"release/{batch_id}.csv", f"release/{batch_id}.json"]


def test_a_cancelled_batch_is_not_stored_again(batches: Batches):
    batch_id = batches.request(count=30)
    batches.run(batch_id)
    repository.change_status(batch_id, CANCELLED)
    with pytest.raises(BatchOver):
        batches.step("store_file", batch_id)


@pytest.mark.parametrize(
    ("operation", "skip"),
    [("CreateMultipartUpload", 0), ("CompleteMultipartUpload", 0), ("PutObject", 0), ("UpdateItem", 1)],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_batch_that_is_cancelled_while_its_file_is_stored_has_no_file(
    batches: Batches, faults: Faults, operation: str, skip: int, after: bool
):
    batch_id = batches.request(count=30)
    for chunk in batches.step("lease_range", batch_id)["chunks"]:
        batches.step("generate_chunk", batch_id, chunk=chunk)
    statuses = []
    faults.meanwhile(
        operation,
        lambda: statuses.append(batches.call("cancel_batch", batch_id=batch_id).status),
        after=after,
        skip=skip,
    )
    # After its last write the step ends without an error, and the cancellation deletes the file.
    with contextlib.suppress(BatchOver):
        batches.step("store_file", batch_id)
    assert statuses == [200]
    assert not [key for key in batches.object_keys() if key.startswith("release/")]


def test_a_step_repeated_after_a_crash_deletes_the_file_of_a_cancelled_batch(batches: Batches, faults: Faults):
    batch_id = batches.request(count=30)
    for chunk in batches.step("lease_range", batch_id)["chunks"]:
        batches.step("generate_chunk", batch_id, chunk=chunk)

    def cancel_and_crash() -> None:
        batches.call("cancel_batch", batch_id=batch_id)
        raise Crash

    faults.meanwhile("PutObject", cancel_and_crash, after=True)
    with pytest.raises(Crash):
        batches.step("store_file", batch_id)
    # As stored by the attempt that crashed, after the cancellation had deleted it.
    boto3.client("s3").put_object(Bucket=batches.bucket, Key=f"release/{batch_id}.csv", Body=b"3LEFTOVER")
    with pytest.raises(BatchOver):
        batches.step("store_file", batch_id)
    assert not [key for key in batches.object_keys() if key.startswith("release/")]


def test_the_file_of_a_complete_batch_is_not_deleted_by_another_execution(batches: Batches):
    batch_id = batches.create_complete(count=30)
    with pytest.raises(BatchOver):
        batches.step("store_file", batch_id)
    assert f"release/{batch_id}.csv" in batches.object_keys()


def test_of_two_executions_that_lease_numbers_one_assigns_them(batches: Batches, monkeypatch):
    batch_id = batches.request()

    def lease_after_another_run(*arguments: Any, **options: Any) -> Answer:
        repository.assign_numbers(batch_id, 7, 30)
        return batches.lease(*arguments, **options)

    monkeypatch.setattr(signed_client, "call", lease_after_another_run)
    assert batches.step("lease_range", batch_id)["chunks"][0]["first"] == 7


def test_the_lease_step_raises_sequences_unavailable(batches: Batches):
    batch_id = batches.request()
    batches.lease_error = ExternalUnavailable("sequences", "down")
    with pytest.raises(SequencesUnavailable):
        batches.step("lease_range", batch_id)


def test_a_file_without_all_codes_is_not_stored(batches: Batches, small_chunks):
    batch_id = batches.request(count=501)
    for chunk in batches.step("lease_range", batch_id)["chunks"]:
        batches.step("generate_chunk", batch_id, chunk=chunk)
    files.store_part(batch_id, 1, [])
    with pytest.raises(files.CountMismatch):
        batches.step("store_file", batch_id)
    assert not [key for key in batches.object_keys() if key.startswith("release/")]
    assert boto3.client("s3").list_multipart_uploads(Bucket=batches.bucket).get("Uploads", []) == []


def test_unprocessed_items_are_written_again(batches: Batches, faults: Faults):
    unprocessed, table = [3, 1], batches.service.name("VouchersTable")

    def write_some(request: Any) -> Any:
        number, items = unprocessed.pop(), request["RequestItems"][table]
        aws.patient_client("dynamodb").batch_write_item(RequestItems={table: items[number:]})
        return {"UnprocessedItems": {table: items[:number]}}

    faults.respond("BatchWriteItem", write_some, times=2)
    vouchers.store([f"CODE{n}" for n in range(30)], "VB1", 0, 10)
    assert len(batches.service.items("VouchersTable")) == 30


def test_a_throttled_batch_write_is_repeated(batches: Batches, faults: Faults):
    faults.fail("BatchWriteItem", throttled("BatchWriteItem"), times=3)
    vouchers.store([f"CODE{n}" for n in range(30)], "VB1", 0, 10)
    assert len(batches.service.items("VouchersTable")) == 30


def test_a_table_that_accepts_no_items_raises_store_busy_within_the_time_limit(batches: Batches, faults: Faults):
    faults.respond("BatchWriteItem", lambda request: {"UnprocessedItems": request["RequestItems"]})
    with pytest.raises(vouchers.StoreBusy):
        vouchers.store(["CODE"], "VB1", 0, 0.2)


def test_a_cancelled_batch_ends_every_step(batches: Batches, small_chunks):
    batch_id = batches.request(count=600)
    first, second = batches.step("lease_range", batch_id)["chunks"]
    batches.step("generate_chunk", batch_id, chunk=first)
    assert batches.call("cancel_batch", batch_id=batch_id).body["status"] == CANCELLED
    with pytest.raises(BatchOver):
        batches.step("generate_chunk", batch_id, chunk=second)
    with pytest.raises(BatchOver):
        repository.mark_chunk_done(batch_id, 1)
    with pytest.raises(BatchOver):
        batches.step("store_file", batch_id)
    with pytest.raises(BatchOver):
        batches.step("lease_range", batch_id)


def test_a_chunk_that_is_generated_again_does_not_undo_a_redemption(batches: Batches):
    batch_id = batches.create_complete()
    code = batches.codes(batch_id)[0]
    assert batches.redeem(code).status == 201
    batch = batches.stored(batch_id)
    vouchers.store(batches.codes(batch_id), batch_id, batch["purge_at"], 10)
    assert batches.redeem(code, OTHER_ORDER).status == 409
