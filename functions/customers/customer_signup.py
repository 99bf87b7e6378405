"""A customer is created: number, identity, commerce platform, rewards platform, customer topic.

No step is undone and none is remembered: each can be repeated, and a repeated sign-up finds out from the identity provider that
there was a first one. A number that is taken and not used stays unused.
"""

from customer_events import announce_customer
from customer_platforms import Platforms
from customer_profile import new_member, new_record
from customer_requests import NewCustomer

from setpieces import internal
from setpieces.outside import OutsideUnavailable
from setpieces.problems import Problem


def sign_up(new: NewCustomer, platforms: Platforms) -> str:
    """The customer's id; a repeat with the same address and password gets the same. Raises ``OutsideUnavailable``, ``Problem``
    409 if the address is somebody else's, 503 if others could not be told.
    """
    identity = _identity(new, platforms)
    customer_id, identity_id = identity["customer_id"], identity["identity_id"]
    if not platforms.add_customer(new_record(customer_id, identity_id, new.name, new.email)):
        _check_own(customer_id, identity_id, platforms)
    # Before the last step: until both platforms know the customer, the authorizer lets nobody in, so that a sign-up that nobody
    # was told of is repeated.
    announce_customer(customer_id)
    platforms.add_member(new_member(customer_id, identity_id))
    return customer_id


def _identity(new: NewCustomer, platforms: Platforms) -> dict[str, str]:
    """{identity_id, customer_id}."""
    identity = platforms.register(new.email, new.password, _number(platforms))
    if identity:
        return identity
    # Taken: by this very sign-up, begun before, or by somebody else. Whoever knows the password is the same person.
    identity = platforms.authenticate(new.email, new.password)
    if not identity or not identity.get("customer_id"):
        raise _taken()
    return identity


def _number(platforms: Platforms) -> str:
    """A customer number that nobody else has."""
    answer = internal.call(
        "sequences", "POST", "/v1/sequences/customer/next", timeout=platforms.seconds(), repeatable=True
    )
    if answer.status != 200:
        raise OutsideUnavailable("sequences", f"gave no number ({answer.status})")
    return str(answer.body["formatted"])


def _check_own(customer_id: str, identity_id: str, platforms: Platforms) -> None:
    """The record that is there has to be this person's. One that was deleted does not come back by itself."""
    customer = platforms.customer(customer_id)
    if customer is None or customer.get("identity_id") != identity_id:
        raise _taken()


def _taken() -> Problem:
    return Problem(409, "EMAIL_TAKEN", "This e-mail address belongs to a customer already")
