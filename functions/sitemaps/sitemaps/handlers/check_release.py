"""Check: read back what would be released, and refuse it as a whole if anything is wrong with it."""

from typing import Any

from setpieces import observability
from setpieces.observability import logger, observed
from setpieces.settings import setting
from sitemaps.domain.runs import REFUSED, Refused
from sitemaps.repository import runs
from sitemaps.workflow.releases import prepare_release


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """{run_id, chunks, force} -> {urls, files, changed, names}. Again is harmless. Raises ``Refused``."""
    run_id = event["run_id"]
    observability.set_correlation_id(run_id)
    try:
        release = prepare_release(run_id, event["chunks"], setting("ORIGIN"), force=event["force"])
    except Refused as refusal:
        logger.error("release refused", extra={"reason": str(refusal)})
        runs.update(run_id, status=REFUSED, reason=str(refusal))
        raise
    runs.update(run_id, **{name: release[name] for name in ("urls", "files", "changed")})
    return release
