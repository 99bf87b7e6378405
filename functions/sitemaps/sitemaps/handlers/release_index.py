"""Release: crawlers get this run's index, if the release is still the one that the run was checked against."""

from typing import Any

from setpieces import observability
from setpieces.observability import observed
from sitemaps.repository import files as store
from sitemaps.repository.runs import take


class Superseded(Exception):
    """Another run was released meanwhile; what this one knows may be older."""


@observed
def handler(event: dict[str, Any], context: Any) -> None:
    """{run_id, execution} -> nothing. Again is harmless. Raises ``Busy``, ``Superseded``.

    An execution that was stopped and is redriven comes here long after its plan, and beside another run.
    """
    run_id = event["run_id"]
    observability.begin(run_id)
    take(event["execution"])
    before = store.index()
    content = store.read(store.work(run_id, store.INDEX))
    expected = store.manifest(run_id)["before"]
    if before.run_id == run_id:
        return
    if content is None or store.manifest(before.run_id)["run_id"] != expected:
        raise Superseded(f"{before.run_id} is released, not {expected}")
    # The SDK repeats a call whose answer was lost, and finds what the first attempt stored.
    if not store.replace_index(before, run_id, content) and store.index().run_id != run_id:
        raise Superseded("another run was first")
