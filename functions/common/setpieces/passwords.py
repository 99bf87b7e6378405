"""Passwords by the OpaqueString profile (RFC 8265, 4.2). Pure.

Composed and decomposed characters are the same, and so are all kinds of blanks. Case and width make a difference.
"""


def normalize_password(text: str) -> str:
    """The form that is stored and compared. Raises ``ValueError`` for a control character or an invisible one."""
    # Imported here, as in ``setpieces.email_addresses``.
    from precis_i18n import get_profile

    return str(get_profile("OpaqueString").enforce(text))
