"""Invariants of the shop after a campaign, whatever faults were injected: one list, ``runner.INVARIANTS``, for all campaigns.

An invariant is a function (shop, promises) -> violations, each a line that names the order, customer, batch or record.
"""
