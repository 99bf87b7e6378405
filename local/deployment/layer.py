"""Copies new files of a layer into its unpacked folder, before CloudFormation deploys a new version of the layer.

A new version changes every function of the shop, which takes CloudFormation seconds. With the copied files, functions run
the new code as soon as their processes have been replaced.
"""

import base64
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from local.deployment.update import Plan, client
from local.settings import SCRATCH, UNPACKED
from model.sources import LAYER, Reference, below, copied

# The list of folders whose content differs from their digest. They are unpacked again after the update, successful or not.
REFRESHED = SCRATCH / "refreshed.json"


def refresh_layers(plan: Plan) -> None:
    """Copy the files of changed layers into their unpacked newest versions. Processes of functions keep the old code."""
    layers = list(_unpacked(plan))
    REFRESHED.write_text(json.dumps([str(folder) for folder, _ in layers]))
    for folder, reference in layers:
        _replace(folder, reference)


def restore_layers() -> bool:
    """Delete refreshed folders, which the emulator then unpacks again. False if there are none."""
    if not REFRESHED.exists():
        return False
    for folder in json.loads(REFRESHED.read_text()):
        _remove(Path(folder))
    REFRESHED.unlink()
    return True


def _unpacked(plan: Plan) -> Iterator[tuple[Path, Reference]]:
    """(unpacked folder of the newest version, layer) of the changed templates; empty if no function has used a layer."""
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
    """Rename the folder, then delete it, so that no reader sees a part of it."""
    if path.exists():
        trash = tempfile.mkdtemp(dir=SCRATCH)
        path.rename(Path(trash) / path.name)
        shutil.rmtree(trash)
