"""A sign-up: a mail to the address, and with its link the customer.

A request looks at no account: it tells nothing about any, takes no number and reserves no address. The password is chosen with
the link, so that only the owner of the mailbox knows it. A customer is a number, an identity, records on the commerce platform
and the rewards platform, and a message on the customer topic. No step is undone and none is remembered: each can be repeated,
and a repeated confirmation finds out from the identity provider that there was a first one. An unused number stays unused.
"""

import time

from botocore.exceptions import BotoCoreError, ClientError

from customers import repository as table
from customers.clients import mail as mail_module
from customers.clients.platforms import Platforms
from customers.domain.profile import new_member, new_record
from customers.events import announce_customer
from customers.requests import CreateCustomer, RequestSignUp
from setpieces import signed_client
from setpieces.errors import ExternalUnavailable, Refused
from setpieces.observability import logger, metrics


def request_sign_up(command: RequestSignUp) -> None:
    """Mail a link to the address. Raises ``Refused`` 503 if that cannot be done now; a repeat with the same key is safe."""
    site_url = mail_module.site_url()
    mail = table.count_mail(command.email)
    if mail is None:
        # An error would tell others that an account with this address was asked for.
        logger.warning("an address was sent too many mails")
        metrics.add_metric(name="ConfirmationHeldBack", unit="Count", value=1)
        return
    try:
        token = table.begin(command.sign_up_id, command.email, command.name)
    except (BotoCoreError, ClientError):
        mail.take_back()
        raise
    if token is None:
        mail.take_back()
        return
    if not mail_module.send(command.email, token, site_url, int(time.time()) + table.LIFE_SECONDS):
        mail.take_back()
        raise mail_module.not_mailed()
    table.note_mailed(command.sign_up_id)


def confirm(command: CreateCustomer, platforms: Platforms) -> tuple[str, str]:
    """(customer id, e-mail address) of the new customer; a repeat gets the same.

    Raises ``ExternalUnavailable``; ``Refused`` 404 if the link is not valid, 409 if the address has an account, 503 if others
    could not be told.
    """
    pending = table.find(command.token)
    if pending is None:
        raise Refused("CONFIRMATION_NOT_FOUND", "This link is not valid, or has expired; sign up again")
    identity = _identity(pending.email, command.password, platforms)
    customer_id, identity_id = identity["customer_id"], identity["identity_id"]
    if not platforms.add_customer(new_record(customer_id, identity_id, pending.name, pending.email)):
        _check_own(customer_id, identity_id, platforms)
    # Before the last step: until both platforms know the customer, the authorizer refuses every request, so a sign-up that
    # was not announced is repeated.
    announce_customer(customer_id)
    platforms.add_member(new_member(customer_id, identity_id))
    return customer_id, pending.email


def _identity(email: str, password: str, platforms: Platforms) -> dict[str, str]:
    """{identity_id, customer_id}."""
    identity = platforms.register(email, password, _number(platforms))
    if identity:
        return identity
    # There is one: of this very confirmation, begun before, which has the same password, or of an account.
    identity = platforms.authenticate(email, password)
    if not identity or not identity.get("customer_id"):
        raise _taken()
    return identity


def _number(platforms: Platforms) -> str:
    """A customer number that nobody else has."""
    answer = signed_client.call("sequences", "POST", "/v1/sequences/customer/next", timeout=platforms.seconds())
    if answer.status != 200:
        raise ExternalUnavailable("sequences", f"gave no number ({answer.status})")
    return str(answer.body["formatted"])


def _check_own(customer_id: str, identity_id: str, platforms: Platforms) -> None:
    """The record that is there has to be this person's. One that was deleted does not come back by itself."""
    customer = platforms.customer(customer_id)
    if customer is None or customer.get("identity_id") != identity_id:
        raise _taken()


def _taken() -> Refused:
    return Refused("EMAIL_TAKEN", "This e-mail address has an account already; sign in instead")
