"""E-mail addresses: which are valid, and which of them are one. Pure.

An address is valid by RFC 5321 and 6531, without quoted local parts, comments or display names: these would make many addresses
of one mailbox. Two addresses are one if they have the same domain in IDNA (RFC 5891), and local parts that are the same by
UsernameCaseMapped (RFC 8265): without regard to case, width and Unicode's composed or decomposed form. ``ß`` is not ``ss``, and
no subaddress is taken off.
"""

import unicodedata

from setpieces.errors import Refused


def parse_email(text: str, pointer: str = "/email") -> str:
    """The address as it is stored and as mail is sent to it: the local part in NFC, the domain in ASCII and lower case.

    Raises ``Refused`` INVALID_REQUEST, with the field's ``pointer``.
    """
    try:
        local, domain, _ = _split(text)
    except ValueError as error:
        # The reason would repeat parts of the address.
        raise Refused("INVALID_REQUEST", "must be an e-mail address that mail can be sent to", pointer) from error
    return f"{local}@{domain}"


def comparable_email(text: str) -> str:
    """The form that two spellings of one address have in common, to compare and to count by; it is no address to send mail to.

    Accounts may have addresses of before the present rule. Of a text that is no valid address, the form is its lower case.
    """
    try:
        _, domain, comparable = _split(text.strip())
    except ValueError:
        return unicodedata.normalize("NFC", text.strip()).lower()
    return f"{comparable}@{domain}"


def _split(text: str) -> tuple[str, str, str]:
    """(local part, domain, local part to compare by). Raises ``ValueError`` with the reason."""
    # Imported here: of the functions that import this module, some parse no address, and their cold starts should not pay.
    from email_validator import validate_email
    from precis_i18n import get_profile

    # Without queries to DNS: the shop sends a mail with a link.
    address = validate_email(text, check_deliverability=False, strict=True)
    return address.local_part, address.ascii_domain, get_profile("UsernameCaseMapped").enforce(address.local_part)
