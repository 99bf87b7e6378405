"""Changes of a profile: patch, version, event, and a repeat after a failure at any call."""

import pytest

from customers.clients.platforms import Platforms
from customers.domain.records import apply_patch, without_platform_members
from customers.requests import UpdateProfile
from customers.views.profiles import profile_view
from customers.workflow.update_profile import MAX_TRIES, update_profile
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.rest_api import status_of
from tests.faults import Crash, Fault, Faults
from tests.present import present
from tests.unit.customers.partners import Partners

ADA = {"customer_id": "C1", "identity_id": "id-1", "name": "Ada", "email": "ada@example.com", "origin": "migration"}
PATCH = {"name": "Ada L.", "phone": "+44 20 1234"}
CALLS = ["GET commerce/customers", "PUT commerce/customers", "PutEvents"]
FAULTS = (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.UNAVAILABLE, Fault.UNANSWERED)


@pytest.fixture(autouse=True)
def _customer(partners: Partners) -> None:
    partners.put("commerce/customers/C1", ADA, if_none_match="*")


def update(patch=PATCH, versions=frozenset({1})) -> dict:
    return update_profile(UpdateProfile("C1", patch, versions), Platforms(lambda: 5.0))


def test_an_update_reads_writes_and_publishes(partners: Partners, faults: Faults):
    customer = update()
    assert faults.calls == CALLS
    assert {name: customer[name] for name in ("name", "phone", "version")} == PATCH | {"version": 2}
    (stored,) = partners.documents("customers")
    assert stored["origin"] == "shop"
    assert (stored["email"], stored["identity_id"]) == (ADA["email"], ADA["identity_id"])
    (event,) = faults.published()
    assert event["data"] == {"customer_id": "C1", "version": 2}


def test_unchanged_members_keep_their_times(partners: Partners):
    before = partners.documents("customers")[0]["updated_at"]
    update({"name": "Ada L."})
    after = partners.documents("customers")[0]["updated_at"]
    assert after["email"] == before["email"]
    assert after["name"] > before["name"]


@pytest.mark.parametrize("versions", [frozenset({2}), frozenset()])
def test_another_version_is_a_412_and_not_overwritten(partners: Partners, faults: Faults, versions):
    with pytest.raises(Refused) as caught:
        update(versions=versions)
    assert (status_of(caught.value), caught.value.code) == (412, "PROFILE_CHANGED")
    assert partners.documents("customers")[0]["version"] == 1
    assert not faults.published()


def test_a_repeat_of_a_stored_update_has_the_same_response_and_event(faults: Faults):
    assert update() == update()
    assert len({event["meta_data"]["event_id"] for event in faults.published()}) == 1


@pytest.mark.parametrize(("versions", "is_current"), [(frozenset({1}), True), (None, True), (frozenset({2}), False)])
def test_an_empty_patch_only_checks_the_version(versions, is_current: bool):
    if is_current:
        assert update({}, versions)["version"] == 1
        return
    with pytest.raises(Refused) as caught:
        update({}, versions)
    assert caught.value.code == "PROFILE_CHANGED"


def test_without_if_match_any_version_is_updated():
    assert update(versions=None)["version"] == 2


@pytest.fixture
def races(partners: Partners, monkeypatch):
    """``races(n)``: each of the next n reads is followed by another client's write."""
    remaining, find_customer = [0], Platforms.find_customer

    def find_then_write(self, customer_id):
        customer = present(find_customer(self, customer_id))
        if remaining[0]:
            remaining[0] -= 1
            partners.put("commerce/customers/C1", ADA | {"name": "Migrated"}, if_match=str(customer["version"]))
        return customer

    monkeypatch.setattr(Platforms, "find_customer", find_then_write)
    return lambda count: remaining.__setitem__(0, count)


def test_a_concurrent_update_is_not_overwritten(partners: Partners, races):
    races(1)
    with pytest.raises(Refused) as caught:
        update()
    assert caught.value.code == "PROFILE_CHANGED"
    assert partners.documents("customers")[0]["name"] == "Migrated"


def test_without_if_match_the_patch_is_applied_to_the_concurrent_update(partners: Partners, faults: Faults, races):
    races(MAX_TRIES - 1)
    assert update({"phone": "1234"}, versions=None)["name"] == "Migrated"
    assert partners.documents("customers")[0]["phone"] == "1234"
    assert len(faults.published()) == 1


def test_too_many_concurrent_updates_are_a_503(faults: Faults, races):
    races(MAX_TRIES)
    with pytest.raises(RetryLater) as caught:
        update({"phone": "1234"}, versions=None)
    assert (status_of(caught.value), caught.value.code) == (503, "PROFILE_BUSY")
    assert not faults.published()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(len(CALLS)))
def test_a_repeat_completes_an_update_that_failed_at_any_call(
    partners: Partners, faults: Faults, call: int, fault: Fault
):
    faults.schedule({call: fault})
    with pytest.raises((Crash, ExternalUnavailable, Refused, RetryLater)):
        update()
    assert update()["version"] == 2
    (stored,) = partners.documents("customers")
    assert (stored["name"], stored["version"]) == ("Ada L.", 2)
    assert {event["data"]["version"] for event in faults.published()} == {2}
    assert len({event["meta_data"]["event_id"] for event in faults.published()}) == 1


@pytest.mark.parametrize("deleted", [True, False])
def test_a_customer_who_is_unknown_or_deleted_is_a_403(partners: Partners, deleted: bool):
    if deleted:
        partners.perform("DELETE", "commerce/customers/C1")
    else:
        partners.memory.documents_by_key.clear()
    with pytest.raises(Refused) as caught:
        update()
    assert (status_of(caught.value), caught.value.code) == (403, "PROFILE_NOT_FOUND")


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ({}, {"name": "Ada", "phone": "1"}),
        ({"phone": None}, {"name": "Ada"}),
        ({"phone": "2"}, {"name": "Ada", "phone": "2"}),
        ({"addresses": []}, {"name": "Ada", "phone": "1", "addresses": []}),
        ({"addresses": None}, {"name": "Ada", "phone": "1"}),
        ({"marketing_opt_in": False}, {"name": "Ada", "phone": "1", "marketing_opt_in": False}),
    ],
)
def test_a_merge_patch_is_applied_to_one_level(patch, result):
    before = {"name": "Ada", "phone": "1"}
    assert apply_patch(before, patch) == result
    assert before == {"name": "Ada", "phone": "1"}
    assert apply_patch(apply_patch(before, patch), patch) == result


def test_internal_members_of_a_record_are_neither_shown_nor_sent_back():
    record = ADA | {"version": 3, "updated_at": {"name": "x"}, "migrated_from": "legacy", "addresses": []}
    assert profile_view(record) == {"customer_id": "C1", "name": "Ada", "email": "ada@example.com", "addresses": []}
    assert without_platform_members(record).keys() & {"version", "updated_at"} == set()
