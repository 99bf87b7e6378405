"""``make cost``: the cost of the shop and its limits under load, from measured usage.

make cost             from bench/operations.json, without a running shop
make cost MEASURE=1   measures the operations of the running shop first, and writes docs/capacity-and-cost.md
"""

import click
from rich.console import Console

from bench import measurement, operations
from bench.cost_model import Model, dollars, fixed, load
from bench.cost_page import PAGE, page
from bench.limits import ranked
from bench.report import report
from model.settings import ROOT
from tools.client import Shop
from tools.failures import check_running
from tools.progress import step
from tools.stages import current_stage

console = Console(highlight=False)


@click.command(epilog="make cost MEASURE=1")
@click.option("--measure", is_flag=True, envvar="MEASURE", help="Measure the operations of the running shop first.")
def main(measure: bool) -> None:
    """Print a summary of cost and limits; with MEASURE=1, measure first and write the page."""
    if measure:
        if current_stage() == "local":
            check_running()
        with step("measuring each operation, and a minute of schedules; takes three minutes"):
            operations.write(measurement.measure(Shop.from_environment()))
        console.print(f"Wrote {operations.FILE.relative_to(ROOT)}")
    model = Model.checked_in()
    report(
        "cost",
        f"US dollars for a million, without simulators; measured {model.measured['measured']}",
        [
            {"set piece": service, "operation": operation, "a million": dollars(units)}
            for service, operation, units in model.per_million()
        ],
    )
    standing = sum(amount for amount, _ in fixed().values()) + sum(model.schedules_a_month().values())
    rows = []
    for multiple in load()["multiples"]:
        limit, used = ranked(model, multiple)[0]
        use = sum(model.a_month(multiple).values())
        row = {"load": f"{multiple:,}×", "use": use, "standing": standing, "all": use + standing}
        rows.append(row | {"first limit": limit.name, "used": f"{used:.0%}"})
    report("cost_month", "US dollars a month, and the first limit at the peak", rows)
    if measure:
        PAGE.write_text(page(model))
    console.print(f"Details and arithmetic: {PAGE.relative_to(ROOT)}")
