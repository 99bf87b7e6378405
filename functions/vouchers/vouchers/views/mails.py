"""Mails about a batch to its requester: plain text, without codes. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from iso4217 import Currency

from vouchers.domain.batches import Batch
from vouchers.domain.links import Link


@dataclass(frozen=True)
class Mail:
    """Subject and plain text, which may have a link to a file of codes."""

    subject: str
    text: str = field(repr=False)


def complete_mail(batch: Batch, link: Link, site_id: str) -> Mail:
    """The vouchers can be downloaded by this link."""
    one_time_note = (
        "\nThe link works once. A program that checks your mail may use it up; then ask for another one.\n"
        if batch.get("one_time")
        else ""
    )
    text = f"""Hello,

your vouchers are ready: {_number(batch["count"])} of {_amount(batch)} each, for "{batch["campaign"]}".
They can be redeemed from {_date_time(batch["valid_from"])} to {_date_time(batch["valid_to"])}.

Download the codes here, one a line:

{link["url"]}

This link works until {_date_time(link["expires_at"])}. Anyone who has it can use it: please do not pass it on.
{one_time_note}If it has expired, the batch {batch["batch_id"]} has a new one
(GET /v1/voucher-batches/{batch["batch_id"]}).

To check what you downloaded: {_number(batch["count"])} lines, SHA-256
{batch["sha256"]}

{site_id}
"""
    return Mail(f"{site_id}: {_number(batch['count'])} vouchers for {batch['campaign']}", text)


def failed_mail(batch: Batch, site_id: str) -> Mail:
    """The vouchers could not be generated."""
    text = f"""Hello,

the {_number(batch["count"])} vouchers for "{batch["campaign"]}" could not be made. None of them is valid.

The batch is {batch["batch_id"]}, the reason {batch.get("reason", "unknown")}. The operators of the shop were notified;
you can also ask for the batch again.

{site_id}
"""
    return Mail(f"{site_id}: vouchers for {batch['campaign']} could not be made", text)


def _number(count: int) -> str:
    return f"{count:,}"


def _amount(batch: Batch) -> str:
    """The value in major units, with the decimals of its currency (ISO 4217): ``10.00 EUR``, ``1000 JPY``."""
    try:
        decimals = Currency(batch["currency"]).exponent or 0
    except ValueError:
        decimals = 2
    return f"{Decimal(batch['value']).scaleb(-decimals):.{decimals}f} {batch['currency']}"


def _date_time(rfc3339: str) -> str:
    return datetime.fromisoformat(rfc3339).strftime("%d %B %Y, %H:%M UTC")
