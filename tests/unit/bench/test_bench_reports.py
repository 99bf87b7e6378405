"""Reports of benchmarks: phases of a Black Friday, verdicts, and a reproducible page."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import plots, summary
from bench import report as reports
from bench.black_friday import Day, Load, percentile
from bench.report import Verdict, report

PHASES: list[dict[str, Any]] = [
    {"name": "warm-up", "seconds": 10, "users": 1},
    {"name": "before", "seconds": 10, "users": 1},
    {"name": "spike", "seconds": 10, "users": 10},
    {"name": "after", "seconds": 30, "users": 1},
]


def response(at: float, ms: float = 10, status: int = 200, advised: bool = False) -> dict[str, Any]:
    return {
        "name": "GET",
        "at": at,
        "ms": ms,
        "status": status,
        "good": status == 200,
        "advised": advised,
        "problem": "",
    }


def day(*responses: dict[str, Any]) -> Day:
    return Day(PHASES, list(responses))


def test_percentiles_are_of_good_answers():
    responses = [response(0, ms) for ms in range(1, 101)] + [response(0, 9999, 503)]
    assert [percentile(responses, percent) for percent in (50, 95, 99)] == [51, 96, 100]


def test_a_response_belongs_to_the_phase_of_its_request():
    spent = day(response(0), response(10), response(19.9), response(20), response(30), response(100))
    assert [len(spent.of(phase["name"])) for phase in PHASES] == [1, 2, 1, 2]


def test_shed_requests_are_not_errors():
    spent = day(
        response(1),
        response(1, status=429, advised=True),
        response(1, status=503),
        response(1, status=500),
        response(1, status=0),
    )
    assert [one["status"] for one in spent.shed()] == [429, 503]
    assert [one["status"] for one in spent.errors()] == [500, 0]


@pytest.mark.parametrize(
    ("slow_until", "shed_until", "recovered"),
    [(30, 30, (0, 0)), (38, 30, (8, 0)), (30, 41, (0, 11)), (100, 100, (None, None))],
)
def test_recovery_compares_latency_and_shed_requests_with_those_before(
    slow_until: int, shed_until: int, recovered: tuple
):
    before = [response(at) for at in range(10, 20)]
    after = [response(at, 15 if at >= slow_until else 200) for at in range(30, 60)]
    shed = [response(at, 1, 429) for at in range(30, 60) if at < shed_until]
    assert day(*before, *after, *shed).recovery_seconds() == recovered


def test_the_requested_load_is_limited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SETPIECES_LOAD_MINUTES", "600")
    monkeypatch.setenv("SETPIECES_LOAD_USERS", "5000")
    phases = Load.from_environment().phases()
    assert sum(phase["seconds"] for phase in phases) == pytest.approx(15 * 60)
    assert max(phase["users"] for phase in phases) == 200


@pytest.fixture
def results_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results and a page in a temporary folder."""
    for module, name, path in (
        (reports, "RESULTS", "results"),
        (summary, "RESULTS", "results"),
        (summary, "RUNS", "results/runs.json"),
        (plots, "PAGE", "bench.md"),
        (plots, "PLOTS", "plots"),
    ):
        monkeypatch.setattr(module, name, tmp_path / path)
    return tmp_path


def test_a_missed_target_is_on_the_page_with_its_reason(results_folder: Path):
    report(
        "feeds", "Feeds", [{"way": "a|b", "n": 1234, "r": 0.5}], [Verdict("rate", "5 x", "4 x", False, "a slow day")]
    )
    (results_folder / "results" / "runs.json").write_text(
        json.dumps({"vouchers": {"seconds": 60, "failure": "ended with 1"}})
    )
    plots.write()
    page = (results_folder / "bench.md").read_text()
    assert "| rate | 5 \N{MULTIPLICATION SIGN} | 4 \N{MULTIPLICATION SIGN} | **no** | a slow day |" in page
    assert "| a\\|b | 1,234 | 0.50 |" in page
    assert "**vouchers failed** when it was last run: ended with 1." in page


def test_the_same_figures_give_the_same_plots(results_folder: Path):
    rows = [
        {"curve": "feeds", "size": size, "ms per item": 2.0, "calls per item": calls}
        for size, calls in ((1, "-"), (10, 0.5))
    ]
    report("scaling", "Scaling", rows)
    plots.write()
    first = {path.name: path.read_bytes() for path in (results_folder / "plots").iterdir()}
    plots.write()
    assert set(first) == {"time.svg", "calls.svg"}
    assert first == {path.name: path.read_bytes() for path in (results_folder / "plots").iterdir()}
    # Text is text, and no font is part of the file.
    assert b">ms per item</text>" in first["time.svg"]
    assert b"@font-face" not in first["time.svg"]
