"""Versions live side by side: every consumer and every reader works with what a newer version has written.

The tests named here run once more, with items, messages and events of a newer version (``newer_versions.py``). Which
consumers and readers there are is found in the templates and in the code; one that none of the tests reaches fails.
"""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.settings import ROOT
from model.templates import iter_resources, name_of

FUNCTIONS = ROOT / "functions"
READERS = {"from_item", "from_stored"}
# Modules that read JSON which no other version has written.
OWN_JSON = {
    "feeds/feeds/domain/reader.py": "an upload, which is checked against its schema",
    "feeds/feeds/domain/records.py": "a schema of the function's own",
    "foundation/foundation/clients.py": "what CodeDeploy and functions of the release that it belongs to return",
    "foundation/foundation/workflow.py": "a file of the function's own",
    "operations/operations/views.py": "a file of the function's own",
}

# By file; each runs a handler or a reader and looks at what comes of it.
TESTS: dict[str, list[str]] = {
    "basket/test_basket_functions.py": [
        "test_a_basket_from_first_to_last",
        "test_members_of_a_newer_version_are_stored_and_not_shown",
    ],
    "basket/test_basket_repeats.py": [
        "test_an_addition_is_repeated_on_a_basket_that_another_request_changes_meanwhile",
    ],
    "catalog/test_catalog_api.py": [
        "test_a_page_has_only_the_public_part_of_products",
        "test_a_product_has_its_description",
    ],
    "common/test_setpieces_signed_client.py": ["test_an_api_without_the_path_is_not_a_missing_resource"],
    "customer-migration/test_migrate_customer.py": [
        "test_a_customer_is_migrated_with_one_write",
        "test_a_newer_version_is_written_again",
    ],
    "customer-migration/test_migration_repository.py": ["test_a_migration_is_loaded"],
    "customers/test_confirmations.py": ["test_a_repeat_returns_the_same_customer_unchanged"],
    "customers/test_sign_up_requests.py": ["test_a_confirmation_link_finds_its_sign_up"],
    "data-sync/test_data_sync_handlers.py": ["test_an_event_is_sent_once_to_the_system_of_the_spoke"],
    "event-relay/test_relay_runs.py": ["test_a_batch_returns_the_messages_whose_events_were_refused"],
    "feeds/test_feed_transform.py": [
        "test_of_two_invocations_one_stores_a_segment_and_the_other_ends",
        "test_the_handler_invokes_itself_for_the_rest",
        "test_a_concurrent_delivery_of_the_same_event_sends_all_records",
    ],
    "feeds/test_feed_updates.py": [
        "test_a_batch_is_one_request_and_every_record_has_an_outcome",
        "test_three_batches_without_response_open_the_circuit_and_a_half_open_probe_closes_it",
    ],
    "feeds/test_feed_functions.py": [
        "test_a_concluded_feed_has_a_manifest_in_the_bucket_and_its_faults_are_published_once",
        "test_a_feed_of_another_requester_is_not_replaced",
        "test_a_manifest_counts_every_record_once",
    ],
    "ingestion/test_ingestion_functions.py": [
        "test_events_are_counted_by_type_and_hour_of_reception",
        "test_events_are_stored_flat_by_type_date_and_hour",
    ],
    "ingestion/test_ingestion_lines.py": ["test_an_event_is_unchanged_and_gets_a_line_end"],
    "login/test_login_functions.py": [
        "test_a_session_ends_once",
        "test_guests_are_allowed_without_a_session_and_customers_with_theirs",
        "test_only_the_role_admin_is_allowed_as_an_admin",
    ],
    "operations/test_list_events.py": ["test_events_of_one_checkout_are_listed"],
    "orders/test_order_operators.py": [
        "test_a_rejected_order_is_completed_by_a_redrive_once_its_cause_is_corrected",
        "test_an_order_that_cannot_be_validated_fails_and_is_completed_by_a_redrive",
    ],
    "orders/test_order_quotations.py": [
        "test_an_order_is_a_snapshot_of_what_was_confirmed",
        "test_an_order_that_cannot_hold_what_it_needs_fails_and_gives_all_back",
    ],
    "orders/test_order_submission.py": ["test_a_customers_key_is_one_order_for_all_baskets"],
    "orders/test_order_sweeps.py": ["test_an_order_whose_message_was_lost_is_processed_by_the_first_sweep"],
    "partners/test_partner_lists.py": ["test_pages_list_every_active_product_once"],
    "partners/test_partner_products.py": ["test_one_request_may_update_a_product_twice"],
    "payments/test_payment_results.py": [
        "test_a_charge_that_no_retry_can_resolve_is_a_dead_letter_and_a_rejected_payment"
    ],
    "redirects/test_redirect_store.py": ["test_rules_are_read_once_in_the_refresh_time"],
    "shipping/test_shipping_handlers.py": [
        "test_a_repeated_event_is_queued_once",
        "test_an_order_is_read_and_sent_to_sap",
    ],
    "sitemaps/test_sitemap_api.py": [
        "test_a_run_is_started_and_shown",
        "test_two_concurrent_requests_with_one_key_create_one_run",
    ],
    "sitemaps/test_sitemap_releases.py": [
        "test_only_a_changed_page_has_the_day_of_the_run",
    ],
    "tax/test_tax_quotations.py": [
        "test_after_the_cool_down_one_probe_closes_the_circuit_for_all_instances",
        "test_quotations_fall_back_on_refreshed_rates",
    ],
    "tax/test_tax_table.py": ["test_one_of_all_instances_probes"],
    "vouchers/test_voucher_batches.py": [
        "test_a_stalled_batch_is_restarted_three_times_and_then_failed",
    ],
    "vouchers/test_voucher_downloads.py": [
        "test_a_one_time_link_works_once",
    ],
    "vouchers/test_voucher_notifications.py": [
        "test_the_requester_gets_one_mail",
    ],
    "vouchers/test_voucher_redemptions.py": [
        "test_a_voucher_is_redeemed_once",
        "test_redemptions_of_earlier_versions_stay",
        "test_a_response_that_is_no_status_redeems_nothing",
        "test_a_voucher_is_not_redeemed_for_an_order_that_is_not_complete",
    ],
    "vouchers/test_voucher_releases.py": [
        "test_a_redemption_for_an_order_is_released_for_that_order_alone",
        "test_a_release_succeeds_when_the_sdk_repeats_it",
    ],
    "vouchers/test_voucher_reservations.py": [
        "test_of_two_orders_that_reserve_a_voucher_at_once_one_is_refused",
        "test_a_reservation_is_extended_and_not_shortened",
        "test_a_redeemed_voucher_is_refused_to_other_orders",
        "test_a_request_of_an_order_succeeds_when_the_sdk_repeats_it",
    ],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """The run of the tests, and the places that read something newer in it."""
    path = tmp_path_factory.mktemp("newer") / "read.json"
    tests = [f"tests/unit/{file}::{name}" for file, names in TESTS.items() for name in names]
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "tests.unit.common.newer_versions", *tests]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    process = subprocess.run(
        command, cwd=ROOT, env=environment | {"READ_BY": str(path)}, capture_output=True, text=True, check=False
    )
    return process, set(json.loads(path.read_text()))


def test_every_reader_accepts_data_of_a_newer_version(run):
    process, _ = run
    assert process.returncode == 0, process.stdout[-8000:] + process.stderr[-2000:]


def test_every_reader_has_a_test(run):
    """Name a test of it in ``TESTS``."""
    _, reached = run
    assert sorted(set(_readers()) - reached) == []


def test_every_consumer_has_a_test(run):
    """Name a test of it in ``TESTS``, one that calls its handler."""
    _, reached = run
    consumers = set(_consumers())
    assert len(consumers) > 10
    assert sorted(consumers - reached) == []


def test_no_dataclass_is_made_of_a_whole_mapping():
    """``stored.from_stored`` reads what another version stored or sent: a mapping may have members without a field."""
    assert _whole_mappings() == {}


def _modules(folder: Path = FUNCTIONS) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield str(path.relative_to(folder)), ast.parse(path.read_text())


def _readers() -> Iterator[str]:
    """``file:function`` of each function that calls one of ``READERS`` itself, or reads JSON of another version."""
    for file, module in _modules():
        if file not in ("common/setpieces/dynamodb_types.py", "common/setpieces/stored.py"):
            imported = {
                name.name
                for node in ast.walk(module)
                if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "setpieces"
                for name in node.names
            }
            for name, function in _functions(module):
                if any(
                    _called(node) in READERS & imported or _reads_json(file, imported, node)
                    for node in ast.walk(function)
                ):
                    yield f"{file}:{name}"


def _reads_json(file: str, imported: set[str], node: ast.AST) -> bool:
    """Does it read JSON of an object, or the body of another service's answer?"""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return False
    of, name = node.value.id, node.attr
    if name == "body" and of in {"answer", "response"}:
        return bool({"external", "signed_client", "Answer"} & imported)
    # The layer reads requests, messages and answers, and the simulators what other systems keep.
    return (of, name) == ("json", "loads") and not file.startswith(("common/", "partners/")) and file not in OWN_JSON


def _functions(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Functions and methods, by their qualified names."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            yield from (
                (f"{node.name}.{inner.name}", inner) for inner in node.body if isinstance(inner, ast.FunctionDef)
            )


def _called(node: ast.AST) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _consumers() -> Iterator[str]:
    """``file:<module>`` of each function that a queue invokes, as the templates have it."""
    for piece, _, mapping in iter_resources("AWS::Lambda::EventSourceMapping"):
        function = re.sub("Alias.*", "", name_of(mapping["FunctionName"]))
        yield f"{piece.handlers[function].relative_to(FUNCTIONS)}:<module>"


def _whole_mappings() -> dict[str, list[str]]:
    """Calls ``Class(**mapping)`` by file. Names that are spelled out, or filtered by a comprehension, are no whole mapping."""
    calls_by_file: dict[str, list[str]] = {}
    for file, module in (*_modules(), *_modules(ROOT / "storefront")):
        for node in ast.walk(module):
            if _called(node)[:1].isupper():
                assert isinstance(node, ast.Call)
                values: list[Any] = [keyword.value for keyword in node.keywords if keyword.arg is None]
                if any(isinstance(value, ast.Name | ast.Subscript | ast.Call | ast.Attribute) for value in values):
                    calls_by_file.setdefault(file, []).append(ast.unparse(node))
    return calls_by_file
