"""The mails about a batch: plain text, for the one person who asked for it. Pure. No code is ever in them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Mail:
    """Subject and plain text."""

    subject: str
    text: str


def success(batch: dict[str, Any], link: dict[str, str], site_id: str) -> Mail:
    """The vouchers can be downloaded; ``link`` is {url, expires_at}."""
    once = (
        "\nThe link works once. A program that checks your mail may use it up; then ask for another one.\n"
        if batch.get("one_time")
        else ""
    )
    text = f"""Hello,

your vouchers are ready: {_number(batch["count"])} of {_money(batch)} each, for "{batch["campaign"]}".
They can be redeemed from {_moment(batch["valid_from"])} to {_moment(batch["valid_to"])}.

Download the codes here, one a line:

{link["url"]}

This link works until {_moment(link["expires_at"])}, and whoever has it can use it: please do not pass it on.
{once}If it has expired, a fresh one is shown with the batch {batch["batch_id"]}
(GET /v1/voucher-batches/{batch["batch_id"]}).

To check what you downloaded: {_number(batch["count"])} lines, SHA-256
{batch["sha256"]}

{site_id}
"""
    return Mail(f"{site_id}: {_number(batch['count'])} vouchers for {batch['campaign']}", text)


def failure(batch: dict[str, Any], site_id: str) -> Mail:
    """The vouchers could not be made."""
    text = f"""Hello,

the {_number(batch["count"])} vouchers for "{batch["campaign"]}" could not be made. None of them is valid.

The batch is {batch["batch_id"]}, the reason {batch.get("reason", "unknown")}. The people who run the shop have been told;
you can also ask for the batch again.

{site_id}
"""
    return Mail(f"{site_id}: vouchers for {batch['campaign']} could not be made", text)


def _number(count: int) -> str:
    return f"{count:,}"


def _money(batch: dict[str, Any]) -> str:
    return f"{batch['value'] // 100}.{batch['value'] % 100:02} {batch['currency']}"


def _moment(rfc3339: str) -> str:
    return datetime.fromisoformat(rfc3339).strftime("%d %B %Y, %H:%M UTC")
