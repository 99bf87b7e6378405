"""The templates that refer to a file, and the differences of digests."""

import pytest

from model import sources
from model.settings import ROOT


@pytest.fixture(scope="module")
def templates():
    return sources.templates()


@pytest.mark.parametrize(
    ("file", "stacks"),
    [
        ("functions/basket/basket/handlers/add_item.py", {"basket"}),
        ("functions/common/setpieces/rest_api.py", {"foundation"}),
        ("schemas/events/voucher.batch.failed.json", {"foundation"}),
        ("schemas/api/tax.yaml", {"tax"}),
        ("schemas/api/gateway-responses/missing-signature.yaml", {"partners", "sequences", "tax"}),
        ("statemachines/raise-sequence.asl.json", {"sequences"}),
        ("templates/edge.yaml", {"edge"}),
        ("templates/delivery.yaml", set()),
    ],
)
def test_a_file_belongs_to_the_templates_that_refer_to_it(templates, file, stacks):
    assert {each.path.stem for each in sources.affected(templates, {ROOT / file})} == stacks


def test_new_changed_and_deleted_files_are_differences():
    assert sources.differences({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == {
        ROOT / name for name in "bcd"
    }
