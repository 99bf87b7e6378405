"""JSON Schemas of the fields that several services take, for ``setpieces.json_body``. Pure data.

``description`` completes the sentence "must be ...". Those of ``schemas/types`` have the same rules here, with
other descriptions; ``tests/contract/test_types.py`` compares them.
"""

from typing import Any

from setpieces.postal import LONGEST

Schema = dict[str, Any]

# Characters that break a label, a mail or a line of a log, or show it in another order: controls, line separators, overrides of
# the direction, and those without a width. Joiners are not among them, because scripts and emoji need them.
UNPRINTABLE = r"\x00-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
# fastjsonschema takes a ``$`` for the end of the text unless it is escaped, also between brackets.
_ATOM = r"[A-Za-z0-9!#\$%&'*+/=?^_`{|}~-]+"
_LABEL = r"(?!-)[A-Za-z0-9\u0080-\uffff-]{1,63}(?<!-)"
_EMAIL = rf"^(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+$"


def text(shortest: int, longest: int) -> Schema:
    """Any text of so many characters."""
    description = f"a text of {shortest} to {longest} characters"
    return {"type": "string", "minLength": shortest, "maxLength": longest, "description": description}


def single_line(shortest: int, longest: int) -> Schema:
    """A text without ``UNPRINTABLE`` characters that is not all blank."""
    return text(shortest, longest) | {"pattern": rf"^(?=.*\S)[^{UNPRINTABLE}]*$"}


def whole_number(lowest: int, highest: int) -> Schema:
    description = f"a whole number from {lowest} to {highest}"
    return {"type": "integer", "minimum": lowest, "maximum": highest, "description": description}


def nullable(schema: Schema) -> Schema:
    """``schema`` or null, which takes a member away in a merge patch (RFC 7396)."""
    return schema | {"type": [schema["type"], "null"]}


def postal_address(*required: str) -> Schema:
    """An address of a person, the same for profiles and orders: what a customer keeps can be ordered to."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {name: single_line(1, longest) for name, longest in LONGEST.items()}
        | {"country": COUNTRY, "postal_code": POSTAL_CODE},
        "additionalProperties": False,
        "description": "an address",
    }


BOOLEAN: Schema = {"type": "boolean", "description": "true or false"}
# Case-sensitive. All that feeds and the commerce platform accept, so that what can be listed can be bought.
SKU: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$",
    "description": "a SKU: 1 to 128 letters, digits, ., _, : or -, beginning with a letter or digit",
}
ORDER_NUMBER: Schema = {
    "type": "string",
    "pattern": "^T[0-9]{9,12}$",
    "description": "an order number, T and 9 to 12 digits",
}
# In minor units. Below 2^53, so that no reader in another language rounds an amount.
MONEY = whole_number(0, 10**12)
# ISO 3166-1 alpha-2 and ISO 4217, as far as their form goes.
COUNTRY: Schema = {
    "type": "string",
    "pattern": "^[A-Z]{2}$",
    "description": "a country code of two capital letters (ISO 3166-1)",
}
CURRENCY: Schema = {
    "type": "string",
    "pattern": "^[A-Z]{3}$",
    "description": "a currency code of three capital letters (ISO 4217)",
}
# Of any country; see ``setpieces.postal`` for those that have none.
POSTAL_CODE: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z0-9](?:[A-Za-z0-9 -]{0,18}[A-Za-z0-9])?$",
    "description": "a postal code of at most 20 letters, digits, spaces or -",
}
CUSTOMER_ID: Schema = {
    "type": "string",
    "pattern": "^[A-Za-z0-9_-]{1,64}$",
    "description": "1 to 64 letters, digits, - or _",
}
# The form of addresses that Amazon SES sends mail to, with ASCII before the @; ``setpieces.email_addresses`` has the rule for
# the rest. Not all of RFC 5322: a comment or a display name would make many addresses of one mailbox, and each may be sent
# mails. https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html
EMAIL: Schema = {
    "type": "string",
    "maxLength": 254,
    "pattern": _EMAIL,
    "description": "an e-mail address of at most 254 characters, in ASCII before the @",
}
