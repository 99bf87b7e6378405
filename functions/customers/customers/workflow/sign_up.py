"""Signing up: a link is mailed to the address, and opening it creates the customer.

A request looks up no account: its response reveals nothing about any, and it neither takes a number nor reserves an address.
The password is chosen after the link was opened, so that only the owner of the mailbox knows it. A customer is a number, an
identity, records on the commerce and the rewards platform, and an event on the customer topic. No step is undone and no
progress is stored: each step can be repeated, and a repeated confirmation learns from the identity provider that there was an
earlier one. An unused number stays unused.
"""

import time

from botocore.exceptions import BotoCoreError, ClientError

from customers import events, repository
from customers.clients import mail, sequences
from customers.clients.platforms import Platforms
from customers.domain.profile import new_customer, new_member
from customers.domain.sign_ups import LINK_SECONDS
from customers.requests import CreateCustomer, RequestSignUp
from setpieces.errors import Refused
from setpieces.observability import logger, metrics


def request_sign_up(command: RequestSignUp) -> None:
    """Mail a link to the address, unless its limit of mails is reached.

    Raises ``RetryLater`` NOT_MAILED, ``ExternalUnavailable``; a repeat with the same key is safe.
    """
    site_url = mail.site_url()
    counted = repository.count_mail(command.email)
    if counted is None:
        # An error would reveal that others have requested an account for this address.
        logger.warning("too many confirmations for one address")
        metrics.add_metric(name="ConfirmationHeldBack", unit="Count", value=1)
        return
    try:
        token = repository.create_sign_up(command.sign_up_id, command.email, command.name)
    except (BotoCoreError, ClientError):
        counted.release()
        raise
    if token is None:
        counted.release()
        return
    if not mail.send(command.email, token, site_url, int(time.time()) + LINK_SECONDS):
        counted.release()
        raise mail.not_mailed()
    repository.mark_mailed(command.sign_up_id)


def create_customer(command: CreateCustomer, platforms: Platforms) -> tuple[str, str]:
    """(customer id, e-mail address) of the new customer; a repeat returns the same.

    Raises ``Refused``: CONFIRMATION_NOT_FOUND if the link is not valid, EMAIL_TAKEN if the address has an account;
    ``RetryLater`` NOT_PASSED_ON, ``ExternalUnavailable``.
    """
    sign_up = repository.use_link(command.token)
    if sign_up is None:
        raise Refused("CONFIRMATION_NOT_FOUND", "This link is not valid, or has expired; sign up again")
    identity = _ensure_identity(sign_up.email, command.password, platforms)
    customer_id, identity_id = identity["customer_id"], identity["identity_id"]
    if not platforms.add_customer(new_customer(customer_id, identity_id, sign_up.name, sign_up.email)):
        _check_owner(customer_id, identity_id, platforms)
    # Before the last step: the authorizer refuses every request until both platforms know the customer, so the caller repeats
    # a sign-up whose event was not published.
    events.publish_customer_created(customer_id)
    platforms.add_member(new_member(customer_id, identity_id))
    return customer_id, sign_up.email


def _ensure_identity(email: str, password: str, platforms: Platforms) -> dict[str, str]:
    """The identity {identity_id, customer_id} of the address, created if there is none. Raises ``Refused`` EMAIL_TAKEN."""
    identity = platforms.create_identity(email, password, sequences.next_customer_id(platforms.timeout()))
    if identity:
        return identity
    # The existing one is an account's, or that of an earlier attempt of this confirmation, which has the same password.
    identity = platforms.authenticate(email, password)
    if not identity or not identity.get("customer_id"):
        raise _email_taken()
    return identity


def _check_owner(customer_id: str, identity_id: str, platforms: Platforms) -> None:
    """Raises ``Refused`` EMAIL_TAKEN if the customer was deleted or has another identity."""
    customer = platforms.find_customer(customer_id)
    if customer is None or customer.get("identity_id") != identity_id:
        raise _email_taken()


def _email_taken() -> Refused:
    return Refused("EMAIL_TAKEN", "This e-mail address has an account already; sign in instead")
