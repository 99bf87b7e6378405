"""The authorizer of one customer's paths, over the sessions table and the platforms."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from customers.domain.records import new_customer_record, new_member_record
from model.settings import ROOT
from setpieces.errors import ExternalUnavailable
from setpieces.sessions import session_hash
from tests.faults import Faults
from tests.service import Service
from tests.unit.customers.partners import Partners

TOKEN = "A" * 43
EVENT = json.loads((ROOT / "events/customers/authorize_customer.json").read_text())
CUSTOMER_ID = EVENT["pathParameters"]["customer_id"]
LOOK_UPS = {"GET commerce/customers", "GET rewards/members"}


@pytest.fixture
def authorize(service: Callable[..., Service], customers: Service, partners: Partners, faults: Faults):
    """Calls the authorizer with the session of ``TOKEN``, of a customer whom both platforms know as ``id-1``."""
    ends_at = int(time.time()) + 3600
    session = {
        "customer_id": CUSTOMER_ID,
        "identity_id": "id-1",
        "roles": [],
        "expires_at": ends_at,
        "ends_at": ends_at,
    }
    service("login").put("Table", session | {"session_hash": session_hash(TOKEN)})
    for system in ("commerce", "rewards"):
        customers.publish(f"partners/{system}-url", f"https://{system}.example")
    customer = new_customer_record(CUSTOMER_ID, "id-1", "Ada", "ada@example.com")
    partners.put(f"commerce/customers/{CUSTOMER_ID}", customer, if_none_match="*")
    partners.put(f"rewards/members/{CUSTOMER_ID}", new_member_record(CUSTOMER_ID, "id-1"), if_none_match="*")
    faults.restart()

    def call(token: str = TOKEN) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        policy: dict[str, Any] = customers.invoke("authorize_customer", EVENT | {"headers": headers})
        return policy

    return call


def effect(policy: dict[str, Any]) -> str:
    return str(policy["policyDocument"]["Statement"][0]["Effect"])


def test_a_customer_whose_identities_match_is_allowed(authorize, faults: Faults):
    policy = authorize()
    assert (effect(policy), policy["context"]["customer_id"]) == ("Allow", CUSTOMER_ID)
    assert set(faults.calls) >= LOOK_UPS
    assert not faults.published()


def test_a_token_without_a_session_is_unauthorized_without_a_look_up(authorize, faults: Faults):
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        authorize("B" * 43)
    assert not LOOK_UPS & set(faults.calls)


def test_different_identities_are_denied_and_published_once_for_a_session(
    authorize, partners: Partners, faults: Faults
):
    member = partners.documents("members")[0] | {"identity_id": "id-2"}
    partners.put(f"rewards/members/{CUSTOMER_ID}", member)
    for _ in range(2):
        policy = authorize()
        assert (effect(policy), policy["context"]["reason"]) == ("Deny", "IDENTITY_MISMATCH")
    first, second = faults.published()
    assert first["data"] == {"customer_id": CUSTOMER_ID}
    assert first["meta_data"]["event_id"] == second["meta_data"]["event_id"]


def test_a_platform_that_is_unavailable_gives_no_policy(authorize, monkeypatch: pytest.MonkeyPatch, partners: Partners):
    def call(system: str, *arguments: Any, **options: Any) -> Any:
        if system == "rewards":
            raise ExternalUnavailable(system, "no answer")
        return partners.call(system, *arguments, **options)

    monkeypatch.setattr("setpieces.external.call", call)
    # The class of the handler's module as the service loads it.
    with pytest.raises(Exception, match=r"^$") as caught:
        authorize()
    assert type(caught.value).__name__ == "IdentityUnavailable"
