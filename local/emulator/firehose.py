"""Deliveries of the local Firehose as AWS makes them, from the configuration of the deployed stream.

Records are buffered, sent to the processor as one batch, and delivered as one object: compressed, with the prefix of the
template. Records that the processor rejects, or that its response lacks, get the error prefix; the backup has all records
unchanged. https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html
"""

import base64
import contextvars
import gzip
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import firehose, lambda_svc

# Templates have minutes, too long for a test.
SECONDS = 1.0
# The size of a batch for the processor (BufferSizeInMBs: 1).
BATCH_BYTES = 1024 * 1024
# https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
MAX_RECORD_BYTES, MAX_REQUEST_BYTES = 1_000 * 1024, 4 * 1024 * 1024

Record = tuple[str, bytes]
_lock = threading.Lock()
_delivering = threading.Lock()


@dataclass
class _Buffer:
    """Buffered records of one stream, and the context with their account and region."""

    stream: dict[str, Any]
    config: dict[str, Any]
    records: list[Record] = field(default_factory=list)
    context: contextvars.Context = field(default_factory=contextvars.copy_context)


_buffers: dict[str, _Buffer] = {}
_started = threading.Event()


def buffer(stream: dict[str, Any], destination: dict[str, Any], records: list[Record]) -> None:
    """Keep records until the next delivery."""
    with _lock:
        identity = {name: stream[name] for name in ("arn", "name", "version")}
        buffered = _buffers.setdefault(stream["arn"], _Buffer(identity, destination["config"]))
        buffered.stream, buffered.config = identity, destination["config"]
        buffered.records += records
        # The emulator keeps its own copy of each record, and would write them all into its state.
        destination["records"].clear()
    if not _started.is_set():
        _started.set()
        threading.Thread(target=_deliver_forever, name="firehose", daemon=True).start()


def too_large(records: list[dict[str, Any]]) -> bool:
    """True if a batch is rejected, because one of its records or the batch itself is too large."""
    sizes = [len(record.get("Data", "")) * 3 // 4 for record in records]
    return max(sizes, default=0) > MAX_RECORD_BYTES or sum(sizes) > MAX_REQUEST_BYTES


def flush() -> None:
    """Deliver all buffered records."""
    with _delivering:
        with _lock:
            streams = list(_buffers.values())
            _buffers.clear()
        for buffered in streams:
            buffered.context.run(_deliver, buffered.stream, buffered.config, buffered.records)


def state() -> list[dict[str, Any]]:
    """The buffered records, which the emulator stores when it ends."""
    with _lock:
        return [
            {
                "stream": buffered.stream,
                "config": buffered.config,
                "records": [[name, base64.b64encode(data).decode()] for name, data in buffered.records],
            }
            for buffered in _buffers.values()
        ]


def restore(buffers: list[dict[str, Any]]) -> None:
    """Buffer the records that ``state`` returned before the emulator ended."""
    for stored in buffers:
        records = [(name, base64.b64decode(data)) for name, data in stored["records"]]
        buffer(stored["stream"], {"config": stored["config"], "records": []}, records)


def _deliver_forever() -> None:
    while True:
        time.sleep(SECONDS)
        try:
            flush()
        except Exception:
            firehose.logger.exception("a delivery failed")


def _deliver(stream: dict[str, Any], config: dict[str, Any], records: list[Record]) -> None:
    if config.get("S3BackupMode") == "Enabled":
        _put(stream, config["S3BackupConfiguration"], b"".join(data for _, data in records))
    delivered, failed = [], []
    for batch in _batches(records):
        for record, (result, data) in zip(batch, _processed(stream, config, batch), strict=True):
            if result == "Ok":
                delivered.append(data)
            elif result != "Dropped":
                failed.append(_failure(record, result))
    if delivered:
        _put(stream, config, b"".join(delivered))
    if failed:
        lines = "".join(json.dumps(line) + "\n" for line in failed).encode()
        _put(stream, config, lines, error="processing-failed")


def _batches(records: list[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    size = 0
    for record in records:
        if batch and size + len(record[1]) > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record[1])
    if batch:
        yield batch


def _processed(stream: dict[str, Any], config: dict[str, Any], batch: list[Record]) -> list[tuple[str, bytes]]:
    """(result, data) of each record. Without a processor all are Ok; without a response none is."""
    parameters = _processor(config)
    if not parameters:
        return [("Ok", data) for _, data in batch]
    records = [
        {
            "recordId": name,
            "approximateArrivalTimestamp": int(time.time() * 1000),
            "data": base64.b64encode(data).decode(),
        }
        for name, data in batch
    ]
    attempts = 1 + int(parameters.get("NumberOfRetries", 3))
    results = next(filter(None, (_invoke(stream, parameters["LambdaArn"], records) for _ in range(attempts))), {})
    processed = []
    for name, data in batch:
        record = results.get(name, {})
        result = record.get("result", "ProcessingFailed")
        processed.append((result, base64.b64decode(record["data"]) if result == "Ok" else data))
    return processed


def _processor(config: dict[str, Any]) -> dict[str, str]:
    """The parameters of the function that processes records; empty without one."""
    processing = config.get("ProcessingConfiguration") or {}
    if str(processing.get("Enabled", "")).lower() != "true":
        return {}
    processors = (each for each in processing.get("Processors", []) if each["Type"] == "Lambda")
    processor: dict[str, Any] = next(processors, {"Parameters": []})
    return {each["ParameterName"]: each["ParameterValue"] for each in processor["Parameters"]}


def _invoke(stream: dict[str, Any], arn: str, records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The processor's results by record id; empty if it fails or its response is no object."""
    name, qualifier = lambda_svc._resolve_name_and_qualifier(arn)
    function, _ = lambda_svc._get_func_record_for_qualifier(name, qualifier)
    event = {"invocationId": new_uuid(), "deliveryStreamArn": stream["arn"], "region": stream["arn"].split(":")[3]}
    response = lambda_svc._execute_function(function, event | {"records": records})
    body = response.get("body")
    if isinstance(body, str | bytes):
        body = json.loads(body)
    if response.get("error") or not isinstance(body, dict):
        firehose.logger.warning("the processor failed: %s", body)
        return {}
    return {result["recordId"]: result for result in body.get("records", [])}


def _failure(record: Record, result: str) -> dict[str, Any]:
    now = int(time.time() * 1000)
    return {
        "attemptsMade": 1,
        "arrivalTimestamp": now,
        "errorCode": "Lambda.ProcessingFailedStatus",
        "errorMessage": f"{result} status set for record",
        "attemptEndingTimestamp": now,
        "rawData": base64.b64encode(record[1]).decode(),
    }


def _put(stream: dict[str, Any], config: dict[str, Any], content: bytes, error: str = "") -> None:
    arrival = firehose._arrival_time(config)
    if error:
        prefix = firehose._evaluate_prefix(config["ErrorOutputPrefix"], arrival, error_type=error)
    else:
        prefix = firehose._evaluate_prefix(config.get("Prefix", ""), arrival, None, None)
    name = f"{stream['name']}-{stream['version']}-{time.strftime('%Y-%m-%d-%H-%M-%S', arrival)}-{new_uuid()}"
    compressed = config.get("CompressionFormat") == "GZIP" and not error
    body = gzip.compress(content) if compressed else content
    firehose._put_s3_object(
        firehose._s3_bucket_from_arn(config["BucketARN"]), f"{prefix}{name}{'.gz' if compressed else ''}", body
    )
