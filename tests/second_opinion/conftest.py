"""Reports a missing tool in one sentence instead of a traceback, and fails the run."""

import pytest

from tests.second_opinion.tools import Missing


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    if call.excinfo and isinstance(call.excinfo.value, Missing):
        report = (yield).get_result()
        report.longrepr = str(call.excinfo.value)
    else:
        yield
