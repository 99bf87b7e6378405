"""Patches of Firehose."""

import inspect
from typing import Any

from local.emulator.patch import NoLongerNeeded, patch


@patch(
    "firehose-deliveries",
    area="data",
    aws="Firehose transforms records in batches, compresses, backs up, stores failed records, and limits a batch",
    emulator=(
        "each record becomes its own object at once, unchanged; records that the processor fails are lost; no "
        "backup, no 4 MB limit"
    ),
    reason=(
        "ingestion loses nothing, and its functions receive objects of many records; the buffer is a second instead"
        " of minutes"
    ),
    upstream="not reported",
)
def deliver_records_in_batches() -> None:
    from ministack.services import firehose

    from local.emulator import firehose as delivery

    if "S3BackupConfiguration" in inspect.getsource(firehose):
        raise NoLongerNeeded("records are backed up")
    firehose._deliver_records_to_s3 = delivery.buffer
    put_batch = firehose._HANDLERS["PutRecordBatch"]

    def put_batch_within_limits(data: dict[str, Any]) -> Any:
        if delivery.too_large(data.get("Records", [])):
            return firehose._invalid("The batch, or a record of it, is too large.")
        return put_batch(data)

    firehose._HANDLERS["PutRecordBatch"] = put_batch_within_limits
    state, load = firehose.get_state, firehose.load_persisted_state

    def load_with_records(data: dict[str, Any]) -> Any:
        delivery.restore(data.pop("waiting", []))
        return load(data)

    firehose.get_state = lambda: state() | {"waiting": delivery.state()}
    firehose.load_persisted_state = load_with_records
