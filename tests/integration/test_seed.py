"""``make test-deployed`` seeds its stage first, with the permissions of the tests."""

from pathlib import Path

from tools.client import Shop, samples_file
from tools.seed import seed


def test_the_role_of_the_tests_can_seed_a_stage(shop: Shop, tmp_path: Path):
    """Again with the same customer and admin, so that nothing changes for the other tests."""
    file = tmp_path / "samples.json"
    file.write_text(samples_file(shop.stage).read_text())
    seeded = seed(shop, file)
    samples = shop.samples
    assert {name: seeded[name] for name in ("customer", "admin", "ingest_api_key")} == {
        name: samples[name] for name in ("customer", "admin", "ingest_api_key")
    }
    assert samples["ingest_api_key"]
