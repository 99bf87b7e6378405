"""New files of a layer at once in the folder that all functions have it from, before it is deployed as a new version.

A new version of the layer changes every function of the shop, which takes CloudFormation seconds. Until then functions see the
new files as soon as their processes have ended, which start again by themselves.
"""

import base64
import shutil
from pathlib import Path

from local.processes import kill_workers
from local.settings import SCRATCH
from local.sources import LAYER, Reference, below, copied
from local.update import Plan, client


def refresh_layer(plan: Plan) -> None:
    """Replace what the Makefiles of changed layers copy in their unpacked newest versions, then end functions' processes."""
    for template in plan.stacks:
        for reference in (each for each in template.references if each.kind == LAYER):
            for folder in _unpacked(template.document, reference):
                _replace(folder, reference)
    kill_workers()


def forget_layers() -> None:
    """Unpack layers again: their folders may have files that were not deployed."""
    shutil.rmtree(SCRATCH / "layers", ignore_errors=True)
    kill_workers()


def _unpacked(document: dict[str, object], reference: Reference) -> list[Path]:
    lambdas = client("lambda")
    folders = []
    for each in lambdas.list_layers()["Layers"]:
        latest = lambdas.get_layer_version(
            LayerName=each["LayerName"], VersionNumber=each["LatestMatchingVersion"]["Version"]
        )
        folders.append(SCRATCH / "layers" / base64.b64decode(latest["Content"]["CodeSha256"]).hex())
    return [folder for folder in folders if folder.is_dir()]


def _replace(folder: Path, reference: Reference) -> None:
    targets = [(source, folder / target) for source, target in copied(reference.path)]
    for _, target in targets:
        shutil.rmtree(target, ignore_errors=True)
    for source, target in targets:
        for file in below(source):
            path = target / file.relative_to(source)
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, path)
