"""Actions of clients of a running shop, and the invariants afterwards, for tests, benchmarks and the demo."""
