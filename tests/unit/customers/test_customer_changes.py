"""Changing a profile: merge, version, event; and a repeat after a failure at any call."""

import pytest

from customers.clients.platforms import Platforms
from customers.domain.profile import merged, shown, to_store
from customers.requests import UpdateProfile
from customers.workflow.update_profile import RACES, change
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


def run(patch=PATCH, versions=frozenset({1})) -> dict:
    return change(UpdateProfile("C1", patch, versions), Platforms(lambda: 5.0))


def test_a_change_is_read_written_and_announced(partners: Partners, faults: Faults):
    changed = run()
    assert faults.calls == CALLS
    assert {name: changed[name] for name in ("name", "phone", "version")} == PATCH | {"version": 2}
    (stored,) = partners.documents("customers")
    assert stored["origin"] == "shop"
    assert (stored["email"], stored["identity_id"]) == (ADA["email"], ADA["identity_id"])
    (event,) = faults.published()
    assert event["data"] == {"customer_id": "C1", "version": 2}


def test_times_of_what_did_not_change_are_kept(partners: Partners):
    before = partners.documents("customers")[0]["updated_at"]
    run({"name": "Ada L."})
    after = partners.documents("customers")[0]["updated_at"]
    assert after["email"] == before["email"]
    assert after["name"] > before["name"]


@pytest.mark.parametrize("versions", [frozenset({2}), frozenset()])
def test_another_version_is_not_overwritten(partners: Partners, faults: Faults, versions):
    with pytest.raises(Refused) as caught:
        run(versions=versions)
    assert (status_of(caught.value), caught.value.code) == (412, "PROFILE_CHANGED")
    assert partners.documents("customers")[0]["version"] == 1
    assert not faults.published()


def test_a_repeat_of_what_is_there_is_the_same_answer_and_event(faults: Faults):
    assert run() == run()
    assert len({event["meta_data"]["event_id"] for event in faults.published()}) == 1


@pytest.mark.parametrize(("versions", "fresh"), [(frozenset({1}), True), (None, True), (frozenset({2}), False)])
def test_a_patch_of_nothing_only_asks_for_the_version(versions, fresh: bool):
    if fresh:
        assert run({}, versions)["version"] == 1
        return
    with pytest.raises(Refused) as caught:
        run({}, versions)
    assert caught.value.code == "PROFILE_CHANGED"


def test_whichever_version_there_is():
    assert run(versions=None)["version"] == 2


@pytest.fixture
def races(partners: Partners, monkeypatch):
    """``races(n)``: somebody else writes after each of the next n reads."""
    left, read = [0], Platforms.customer

    def read_and_lose(self, customer_id):
        found = present(read(self, customer_id))
        if left[0]:
            left[0] -= 1
            partners.put("commerce/customers/C1", ADA | {"name": "Migrated"}, if_match=str(found["version"]))
        return found

    monkeypatch.setattr(Platforms, "customer", read_and_lose)
    return lambda count: left.__setitem__(0, count)


def test_somebody_else_who_writes_in_between_is_not_overwritten(partners: Partners, races):
    races(1)
    with pytest.raises(Refused) as caught:
        run()
    assert caught.value.code == "PROFILE_CHANGED"
    assert partners.documents("customers")[0]["name"] == "Migrated"


def test_without_a_version_the_patch_goes_into_what_somebody_else_wrote(partners: Partners, faults: Faults, races):
    races(RACES - 1)
    assert run({"phone": "1234"}, versions=None)["name"] == "Migrated"
    assert partners.documents("customers")[0]["phone"] == "1234"
    assert len(faults.published()) == 1


def test_races_have_an_end(faults: Faults, races):
    races(RACES)
    with pytest.raises(RetryLater) as caught:
        run({"phone": "1234"}, versions=None)
    assert (status_of(caught.value), caught.value.code) == (503, "PROFILE_BUSY")
    assert not faults.published()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("call", range(len(CALLS)))
def test_the_same_request_again_finishes_what_failed(partners: Partners, faults: Faults, call: int, fault: Fault):
    faults.schedule({call: fault})
    with pytest.raises((Crash, ExternalUnavailable, Refused, RetryLater)):
        run()
    assert run()["version"] == 2
    (stored,) = partners.documents("customers")
    assert (stored["name"], stored["version"]) == ("Ada L.", 2)
    assert {event["data"]["version"] for event in faults.published()} == {2}
    assert len({event["meta_data"]["event_id"] for event in faults.published()}) == 1


@pytest.mark.parametrize("deleted", [True, False])
def test_a_customer_who_is_gone(partners: Partners, deleted: bool):
    if deleted:
        partners.perform("DELETE", "commerce/customers/C1")
    else:
        partners.memory.documents_by_key.clear()
    with pytest.raises(Refused) as caught:
        run()
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
def test_merge(patch, result):
    before = {"name": "Ada", "phone": "1"}
    assert merged(before, patch) == result
    assert before == {"name": "Ada", "phone": "1"}
    assert merged(merged(before, patch), patch) == result


def test_the_owner_sees_what_is_theirs_and_nothing_of_the_bookkeeping():
    record = ADA | {"version": 3, "updated_at": {"name": "x"}, "migrated_from": "legacy", "addresses": []}
    assert shown(record) == {"customer_id": "C1", "name": "Ada", "email": "ada@example.com", "addresses": []}
    assert to_store(record).keys() & {"version", "updated_at"} == set()
