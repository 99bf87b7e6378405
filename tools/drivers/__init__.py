"""What clients of a running shop do over HTTP, and what has to hold afterwards: for tests, benchmarks and the demo alike."""
