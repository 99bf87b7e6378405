"""The benchmarks that ``make bench`` offers."""

import pytest
from click.testing import CliRunner

from bench import __main__ as command
from bench.summary import ORDER


@pytest.mark.parametrize("helper", ["measurement", "aws_call_cases", "edit_loop", "black_friday_users"])
def test_a_module_that_measures_nothing_itself_is_no_benchmark(helper: str):
    result = CliRunner().invoke(command.main, [helper])
    assert result.exit_code == 2
    assert f"Unknown benchmark {helper}." in result.output


def test_benchmarks_with_a_target_are_offered():
    # Two of the targets are measured by other benchmarks: "vouchers" and "orders".
    assert set(ORDER) - {"voucher_codes", "order_status"} <= set(command._names())
