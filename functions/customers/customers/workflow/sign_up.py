"""Signing up: a link is mailed to the address (``request_sign_up``), and its confirmation creates the customer.

A request looks up no account, so its response reveals nothing about any. It neither takes a customer id from the sequence nor
reserves the address. The password is chosen after the link was opened, so that only the owner of the mailbox knows it.

A confirmation (``create_customer``) makes these steps, in this order:

1. count a use of the link in the sign-up's item;
2. take a new customer id from the sequences service;
3. create the identity at the identity provider; if the address has one, sign in with the password instead;
4. store the record on the commerce platform;
5. publish the event on the customer topic;
6. store the record on the rewards platform.

No step is undone and no progress is stored: a repeated confirmation makes all steps again. It recognises the identity of an
earlier one by the password and uses that identity's customer id; the id that it took itself stays unused.
"""

import time

from botocore.exceptions import BotoCoreError, ClientError

from customers import events, repository
from customers.clients import mail, sequences
from customers.clients.platforms import Platforms
from customers.domain.records import new_customer_record, new_member_record
from customers.domain.sign_ups import LINK_SECONDS
from customers.requests import CreateCustomer, RequestSignUp
from setpieces.email_addresses import comparable_email
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

    Raises ``Refused``: CONFIRMATION_NOT_FOUND if the link is unknown, has expired or was used too often, EMAIL_TAKEN if the
    address has an account with another password or the customer was deleted; ``RetryLater`` NOT_PASSED_ON if the event was
    not published; ``ExternalUnavailable``.
    """
    sign_up = repository.use_link(command.token)
    if sign_up is None:
        raise Refused("CONFIRMATION_NOT_FOUND", "This link is not valid, or has expired; sign up again")
    identity = _create_or_recognise_identity(comparable_email(sign_up.email), command.password, platforms)
    customer_id, identity_id = identity["customer_id"], identity["identity_id"]
    if not platforms.add_customer(new_customer_record(customer_id, identity_id, sign_up.name, sign_up.email)):
        _check_customer_has_identity(customer_id, identity_id, platforms)
    # Before the last step: the authorizer refuses every request until both platforms know the customer, so the caller repeats
    # a confirmation whose event was not published.
    events.publish_customer_created(customer_id)
    platforms.add_member(new_member_record(customer_id, identity_id))
    return customer_id, sign_up.email


def _create_or_recognise_identity(email: str, password: str, platforms: Platforms) -> dict[str, str]:
    """A new identity {identity_id, customer_id} with a new customer id, or the existing one of the address and password.

    Raises ``Refused`` EMAIL_TAKEN if the existing one has another password or no customer id; ``ExternalUnavailable``.
    """
    identity = platforms.create_identity(email, password, sequences.next_customer_id(platforms.timeout()))
    if identity:
        return identity
    # The existing identity is that of an account, or of an earlier attempt of this confirmation, with the same password.
    identity = platforms.authenticate(email, password)
    if not identity or not identity.get("customer_id"):
        raise _email_taken()
    return identity


def _check_customer_has_identity(customer_id: str, identity_id: str, platforms: Platforms) -> None:
    """Raises ``Refused`` EMAIL_TAKEN if the commerce platform's record was deleted or has another identity."""
    customer = platforms.find_customer(customer_id)
    if customer is None or customer.get("identity_id") != identity_id:
        raise _email_taken()


def _email_taken() -> Refused:
    return Refused("EMAIL_TAKEN", "This e-mail address has an account already; sign in instead")
