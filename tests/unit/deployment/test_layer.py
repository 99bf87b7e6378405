"""Refreshed folders of layers, also those of a killed update."""

from local.cloud import edits
from local.deployment import layer
from local.deployment.update import Plan
from model.sources import LAYER, Reference


def test_an_undone_update_removes_refreshed_folders(tmp_path, monkeypatch):
    source, folder = tmp_path / "common", tmp_path / "unpacked"
    for path, text in (
        (source / "setpieces" / "rest_api.py", "new"),
        (folder / "python" / "setpieces" / "rest_api.py", "old"),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (folder / "python" / "setpieces" / "gone.pyc").write_text("old")
    (source / "Makefile").write_text('build:\n\tcp -R setpieces "$(ARTIFACTS_DIR)/python/"\n')
    killed = []
    monkeypatch.setattr(layer, "SCRATCH", tmp_path)
    monkeypatch.setattr(layer, "REFRESHED", tmp_path / "refreshed.json")
    monkeypatch.setattr(layer, "_unpacked", lambda plan: [(folder, Reference("Layer", LAYER, {}, "", source))])
    monkeypatch.setattr(edits, "kill_workers", lambda: killed.append("undo"))

    layer.refresh_layers(Plan({}, {}, set()))
    assert [file.name for file in (folder / "python" / "setpieces").iterdir()] == ["rest_api.py"]
    assert (folder / "python" / "setpieces" / "rest_api.py").read_text() == "new"
    edits.undo()
    assert not folder.exists()
    edits.undo()
    assert killed == ["undo"]
