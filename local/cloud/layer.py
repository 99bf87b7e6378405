"""New files of a layer at once in the folder that all functions have it from, before it is deployed as a new version.

A new version of the layer changes every function of the shop, which takes CloudFormation seconds. Until then functions see the
new files as soon as their processes have ended, which start again by themselves.
"""

import base64
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from local.cloud.processes import kill_workers
from local.cloud.update import Plan, client
from local.settings import SCRATCH, UNPACKED
from model.sources import LAYER, Reference, below, copied

# The folders whose files are not those of their digest; unpacked again once the update has ended, successful or not.
REFRESHED = SCRATCH / "refreshed.json"


def refresh_layers(plan: Plan) -> None:
    """Replace what the Makefiles of changed layers copy in their unpacked newest versions, then end functions' processes."""
    layers = list(_unpacked(plan))
    REFRESHED.write_text(json.dumps([str(folder) for folder, _ in layers]))
    for folder, reference in layers:
        _replace(folder, reference)
    kill_workers()


def restore_layers() -> bool:
    """Have refreshed layers unpacked again when they are used next; False if there are none."""
    if not REFRESHED.exists():
        return False
    for folder in json.loads(REFRESHED.read_text()):
        _remove(Path(folder))
    REFRESHED.unlink()
    return True


def _unpacked(plan: Plan) -> Iterator[tuple[Path, Reference]]:
    """Each layer of the changed templates with the folders of the newest versions; none if no function has used one."""
    lambdas = client("lambda")
    contents = [
        lambdas.get_layer_version(LayerName=each["LayerName"], VersionNumber=each["LatestMatchingVersion"]["Version"])[
            "Content"
        ]
        for each in lambdas.list_layers()["Layers"]
    ]
    folders = [UNPACKED / base64.b64decode(content["CodeSha256"]).hex() for content in contents]
    layers = [each for template in plan.stacks for each in template.references if each.kind == LAYER]
    yield from ((folder, layer) for folder in folders if folder.is_dir() for layer in layers)


def _replace(folder: Path, reference: Reference) -> None:
    targets = [(source, folder / target) for source, target in copied(reference.path)]
    for _, target in targets:
        _remove(target)
    for source, target in targets:
        for file in below(source):
            path = target / file.relative_to(source)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, path)


def _remove(path: Path) -> None:
    """Rename the folder away, then delete it: no reader meets a part of it."""
    if path.exists():
        gone = tempfile.mkdtemp(dir=SCRATCH)
        path.rename(Path(gone) / path.name)
        shutil.rmtree(gone)
