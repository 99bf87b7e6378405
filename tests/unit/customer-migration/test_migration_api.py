"""What the API shows and takes."""

import pytest

from customer_migration.views import customer_id, view
from setpieces.errors import Refused
from setpieces.rest_api import status_of


def test_only_what_is_of_interest_is_shown():
    item = {"customer_id": "C1", "status": "MIGRATED", "attempts": 2, "source_version": 4, "lease_owner": "x"}
    assert view(item) == {"customer_id": "C1", "status": "MIGRATED", "attempts": 2, "source_version": 4}
    assert view({"customer_id": "C1", "status": "PENDING"})["attempts"] == 0


def test_an_unknown_migration_is_404():
    with pytest.raises(Refused) as problem:
        view(None)
    assert status_of(problem.value) == 404


@pytest.mark.parametrize("given", ["", "a/b", "%41", "..", "x" * 65, "ä", "C1\n", "*"])
def test_what_no_customer_can_have_as_id_is_400(given):
    with pytest.raises(Refused) as problem:
        customer_id(given)
    assert problem.value.errors[0]["pointer"] == "/customer_id"
