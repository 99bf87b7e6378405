"""Changes that need ``sam build``, and changes of the layer."""

from local.deployment import update
from model import sources


def test_a_layers_new_requirements_need_a_build():
    templates = sources.templates()
    now = sources.digests(templates)
    for file, needed in (
        ("functions/common/requirements.txt", True),
        ("functions/common/setpieces/rest_api.py", False),
    ):
        assert update.needs_build(update.plan(templates, now | {file: "before"})) is needed
    assert update.plan(templates, now | {"functions/common/setpieces/rest_api.py": "before"}).changes_layer()
    assert not update.plan(templates, now | {"templates/foundation.yaml": "before"}).changes_layer()
