"""Accounts of feeds that another version has written."""

import pytest

from setpieces import feed_accounts
from setpieces.dynamodb_types import to_item


def test_a_record_with_an_outcome_of_a_newer_version_is_pending(monkeypatch: pytest.MonkeyPatch):
    item = to_item({"part": "run/0", "updated": {0}, "failed:STRANGE": {1}, "postponed": {2}, "purge_at": 1})
    monkeypatch.setenv("ACCOUNTS_TABLE_NAME", "accounts")
    monkeypatch.setattr(feed_accounts, "client", lambda service: None)
    monkeypatch.setattr(feed_accounts, "read_batches", lambda *_: [item])
    counts = feed_accounts.count_outcomes("run", 3)
    assert counts == {"updated": 1, "unchanged": 0, "stale": 0, "failed": 1, "reasons": {"STRANGE": 1}}
