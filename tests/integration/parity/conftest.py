"""Two emulators for the tests of parity: MiniStack without and with the patches of ``local.emulator.patches``.

``test_<service>.py`` has the tests of the patches in ``patches/<service>.py``, each named after its patch
(``test_nested_sam`` for ``nested-sam``). A test that fails for ``plain`` shows that a newer emulator no longer needs the patch.
"""

from collections.abc import Iterator

import pytest

from tests.integration.two_emulators import PATCHED, PLAIN, Cloud, running


@pytest.fixture(scope="package")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(PLAIN, tmp_path_factory.mktemp("plain")) as cloud:
        yield cloud


@pytest.fixture(scope="package")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(PATCHED, tmp_path_factory.mktemp("patched")) as cloud:
        yield cloud
