"""Release: crawlers get this run's index, if the release is still the one that the run was checked against."""

import time
from typing import Any

from setpieces import observability
from setpieces.observability import observed
from sitemaps.domain.files import INDEX
from sitemaps.domain.runs import Superseded
from sitemaps.repository import objects
from sitemaps.workflow.runs import acquire_lock


@observed
def handler(event: dict[str, Any], context: Any) -> None:
    """{run_id, execution} -> nothing. Again is harmless. Raises ``Busy``, ``Superseded``.

    An execution that was stopped and is redriven comes here long after its plan, and beside another run.
    """
    run_id = event["run_id"]
    observability.set_correlation_id(run_id)
    acquire_lock(event["execution"], int(time.time()))
    released = objects.load_index()
    content = objects.read(objects.work_key(run_id, INDEX))
    expected = objects.load_manifest(run_id)["before"]
    if released.run_id == run_id:
        return
    if content is None or objects.load_manifest(released.run_id)["run_id"] != expected:
        raise Superseded(f"{released.run_id} is released, not {expected}")
    # The SDK repeats a call whose answer was lost, and finds what the first attempt stored.
    if not objects.replace_index(released, run_id, content) and objects.load_index().run_id != run_id:
        raise Superseded("another run was released first")
