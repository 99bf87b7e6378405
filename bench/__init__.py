"""Benchmarks: each module has ``run()``, which measures, prints a table and writes its figures."""
