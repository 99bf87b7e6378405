"""Validate, index and guard: what would be released is read back, and refused as a whole if anything of it is wrong."""

import hashlib
import json
from typing import Any

from setpieces import observability
from setpieces.observability import logger, observed
from setpieces.settings import setting
from sitemaps.domain.check import problems, shrunk
from sitemaps.domain.files import index
from sitemaps.repository import files as store
from sitemaps.repository.runs import REFUSED, note

# Pages that are somebody's own are no content.
CLOSED = ("/basket", "/checkout", "/account", "/orders/", "/admin", "/sign-")


class Refused(Exception):
    """Nothing of this run is released; the run says why."""


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """{run_id, chunks, force} -> {urls, files, changed, names}. Raises ``Refused``."""
    run_id, origin = event["run_id"], setting("ORIGIN")
    observability.begin(run_id)
    made = [line for number in range(1, event["chunks"] + 1) for line in store.lines(store.files_key(run_id, number))]
    for file in made:
        content = store.read(store.work(run_id, store.FILES + file["name"])) or b""
        if hashlib.sha256(content).hexdigest() != file["sha256"]:
            _refuse(run_id, f"{file['name']} is not what was written")
        for problem in problems(content, origin):
            _refuse(run_id, f"{file['name']} {problem}")
    whole = index(origin, ((file["name"], file["changed"]) for file in made))
    for problem in problems(whole, origin):
        _refuse(run_id, f"{store.INDEX} {problem}")
    urls = sum(file["urls"] for file in made)
    released = store.index()
    before = store.manifest(released.run_id)
    reason = "" if event["force"] else shrunk(before["urls"], urls)
    if reason:
        _refuse(run_id, reason)
    store.write(store.work(run_id, store.INDEX), whole, store.XML, store.FOR_A_WHILE)
    robots = _robots(origin)
    store.write(store.work(run_id, store.ROBOTS), robots, "text/plain; charset=utf-8", store.FOR_A_WHILE)
    manifest = {"run_id": run_id, "before": before["run_id"], "chunks": event["chunks"], "urls": urls}
    store.write(store.work(run_id, store.MANIFEST), json.dumps(manifest).encode())
    changed = released.content != whole
    note(run_id, urls=urls, files=len(made), changed=changed)
    return {"urls": urls, "files": len(made), "changed": changed, "names": [file["name"] for file in made]}


def _refuse(run_id: str, reason: str) -> None:
    logger.error("refused", extra={"reason": reason})
    note(run_id, status=REFUSED, reason=reason)
    raise Refused(reason)


def _robots(origin: str) -> bytes:
    closed = "".join(f"Disallow: {path}\n" for path in CLOSED)
    return f"User-agent: *\n{closed}\nSitemap: {origin}/{store.INDEX}\n".encode()
