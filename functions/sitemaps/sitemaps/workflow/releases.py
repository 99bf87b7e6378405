"""The check of a release: the files are read back from the bucket, and refused as a whole if one of them has a fault."""

import hashlib
from typing import Any

from sitemaps.domain.checks import describe_shrinkage, find_problems
from sitemaps.domain.files import FOLDER, INDEX, build_index, build_robots
from sitemaps.domain.runs import Refused
from sitemaps.repository import objects
from sitemaps.repository.objects import StoredFile


def prepare_release(run_id: str, chunks: int, origin: str, *, force: bool) -> dict[str, Any]:
    """Check the files of a run, and store their index, robots.txt and manifest: {urls, files, changed, names}.

    ``force`` allows a release that has lost many of its URLs. Raises ``Refused``.
    """
    files = list(objects.list_files(run_id, chunks))
    for file in files:
        _check_file(run_id, file, origin)
    index = build_index(origin, ((file["name"], file["changed"]) for file in files))
    for problem in find_problems(index, origin):
        raise Refused(f"{INDEX} {problem}")
    released = objects.load_index()
    before = objects.load_manifest(released.run_id)
    urls = sum(file["urls"] for file in files)
    shrinkage = describe_shrinkage(before["urls"], urls)
    if shrinkage and not force:
        raise Refused(shrinkage)
    manifest: objects.Manifest = {"run_id": run_id, "before": before["run_id"], "chunks": chunks, "urls": urls}
    objects.save_checked(manifest, index, build_robots(origin))
    names = [file["name"] for file in files]
    return {"urls": urls, "files": len(files), "changed": released.content != index, "names": names}


def _check_file(run_id: str, file: StoredFile, origin: str) -> None:
    content = objects.read(objects.work_key(run_id, FOLDER + file["name"])) or b""
    if hashlib.sha256(content).hexdigest() != file["sha256"]:
        raise Refused(f"{file['name']} is not what was written")
    for problem in find_problems(content, origin):
        raise Refused(f"{file['name']} {problem}")
