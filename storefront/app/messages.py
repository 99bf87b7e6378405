"""Sentences for visitors by the codes of the APIs and by the fields of forms. Pages show no other text for a code."""

from dataclasses import dataclass, field

from app.apis import ApiError

UNKNOWN = "This is not possible at the moment. Please try again."
MESSAGES = {
    # Orders and quotations.
    "BASKET_NOT_FOUND": "Your basket is empty.",
    "EMPTY_BASKET": "Your basket is empty.",
    "BASKET_ORDERED": "This basket has already been ordered. Nothing was ordered again.",
    "IDEMPOTENCY_KEY_REUSED": "This was already submitted with other details. Nothing was ordered again.",
    "QUOTATION_CHANGED": "Something has changed since you checked your order. Nothing was ordered. "
    "Please check the new price, then press “Buy now” again.",
    "QUOTATION_NOT_FOUND": "The price that you saw is no longer valid. Nothing was ordered. "
    "Please check the new price, then press “Buy now” again.",
    "UNSUPPORTED_DESTINATION": "We do not deliver to this country.",
    "UNKNOWN_DELIVERY_METHOD": "Choose one of the delivery methods.",
    "DELIVERY_UNAVAILABLE": "This delivery method is unavailable for your basket. Choose another one.",
    "TOTAL_LIMIT": "The total is above the limit for one order. Reduce the quantities.",
    "OUT_OF_STOCK": "There are not enough pieces left.",
    "PRODUCT_UNAVAILABLE": "This product is no longer sold.",
    "PRICE_CHANGED": "A price has changed.",
    "QUANTITY_LIMIT": "The quantity is above the limit for this product.",
    "CURRENCY_MISMATCH": "This product has another currency than your basket.",
    "ORDER_NOT_FOUND": "There is no such order.",
    "ORDER_EXPIRED": "This order is too old to be shown.",
    "ORDER_FAILED": "This order has failed.",
    "ORDER_IN_PROGRESS": "This order is still being processed.",
    "INVALID_ORDER_NUMBER": "This is not an order number.",
    "INVALID_PAGE_TOKEN": "This page of the list does not exist.",
    # Reasons of failed orders.
    "PAYMENT_DECLINED": "Your card was declined.",
    "VOUCHER_UNAVAILABLE": "A voucher could not be used.",
    "PROCESSING_FAILED": "The order could not be processed.",
    # Vouchers.
    "VOUCHER_NOT_FOUND": "This voucher code does not exist.",
    "VOUCHER_REDEEMED": "This voucher has already been used.",
    "VOUCHER_RESERVED": "This voucher is being used by another order.",
    "VOUCHER_EXPIRED": "This voucher has expired.",
    "VOUCHER_NOT_YET_VALID": "This voucher is not valid yet.",
    "VOUCHER_CANCELLED": "This voucher has been cancelled.",
    "VOUCHER_CURRENCY": "This voucher has another currency than your basket.",
    "VOUCHER_REPEATED": "This voucher is entered twice.",
    "VOUCHER_EXCEEDS_TOTAL": "This voucher is worth more than what is left to pay. Remove it to continue.",
    "RESERVATION_CLOSED": "The order has ended in the meantime.",
    "BATCH_NOT_FOUND": "There is no such batch of vouchers.",
    "DOWNLOAD_NOT_FOUND": "This link has expired.",
    # Baskets and products.
    "UNKNOWN_SKU": "There is no such product.",
    "PRODUCT_NOT_FOUND": "There is no such product.",
    "NOT_PURCHASABLE": "This product is not sold at the moment.",
    "INSUFFICIENT_STOCK": "There are not enough pieces left.",
    "BASKET_FULL": "Your basket has no room for another product.",
    "BASKET_CHANGED": "The basket has changed in the meantime.",
    "BASKET_BUSY": "The basket is being changed at the moment. Please try again.",
    "LINE_NOT_FOUND": "This product is no longer in your basket.",
    # Accounts.
    "INVALID_CREDENTIALS": "The e-mail address or the password is wrong.",
    "TOO_MANY_ATTEMPTS": "Too many attempts. Try again in a few minutes.",
    "EMAIL_TAKEN": "An account with this e-mail address already exists. Sign in instead.",
    "CONFIRMATION_NOT_FOUND": "This code is invalid or has expired. Sign up again to get a new one.",
    "NO_STORE": "Sign-in is unavailable at the moment. You can continue as a guest.",
    "SESSION_INVALID": "Your session has ended.",
    "EXPIRED_TOKEN": "Your session has ended.",
    "NO_SESSION": "Your session has ended.",
    "SESSION_USER_MISMATCH": "Your session belongs to another account.",
    "CUSTOMER_MISMATCH": "Your session belongs to another account.",
    "IDENTITY_MISMATCH": "Your session belongs to another account.",
    "ACCESS_DENIED": "Your account is not allowed to do this.",
    "PROFILE_NOT_FOUND": "There is no such account.",
    "PROFILE_CHANGED": "The account was changed in the meantime. Please check it and save again.",
    "PROFILE_BUSY": "The account is being changed at the moment. Please try again.",
    # Requests in general.
    "INVALID_REQUEST": "Some of the details are invalid.",
    "INVALID_BODY": "Some of the details are invalid.",
    "INVALID_PARAMETERS": "Some of the details are invalid.",
    "INVALID_JSON": "Some of the details are invalid.",
    "BAD_REQUEST": "Some of the details are invalid.",
    "INVALID_IDEMPOTENCY_KEY": "The form is damaged. Reload the page and fill it in again.",
    "INVALID_FORM": "The form is damaged. Reload the page and fill it in again.",
    "UNSUPPORTED_MEDIA_TYPE": "The shop does not accept this kind of content.",
    "REQUEST_TOO_LARGE": "This is too much for one request.",
    "REQUEST_BLOCKED": "The request was blocked. Please try again later.",
    "NOT_FOUND": "There is no such page.",
    "THROTTLED": "Too many requests at the moment. Please try again in a few seconds.",
    "QUOTA_EXCEEDED": "Too many requests at the moment. Please try again in a few seconds.",
    # Feeds.
    "FEED_FILE_MISSING": "Choose a file and one of the types.",
    "FEED_TOO_LARGE": "Upload feeds of more than 20 MB with the API.",
    "FEED_NOT_FOUND": "There is no such feed.",
    "UNKNOWN_FEED_TYPE": "Choose one of the types.",
    # The page's own.
    "UNREACHABLE": "Part of the shop is unavailable at the moment. Please try again in a few seconds.",
    "SAVED": "Saved.",
}
UNAVAILABLE = MESSAGES["UNREACHABLE"]
# By the last name of a JSON pointer into a request: the form's field, and what to do about it.
FIELDS = {
    "name": ("name", "Enter a name of at most 100 characters on one line."),
    "street": ("street", "Enter the street and house number on one line of at most 200 characters."),
    "postal_code": ("postal_code", "Enter the postal code as it is written in this country."),
    "city": ("city", "Enter the city on one line of at most 100 characters."),
    "region": ("region", "Enter the state or province on one line of at most 60 characters, or leave the field empty."),
    "country": ("country", "Choose a country that we deliver to."),
    "email": ("email", "Enter an e-mail address, for example name@example.com."),
    "payment_token": ("card", "Choose a card."),
    "delivery_method": ("delivery", "Choose one of the delivery methods."),
    "password": ("password", "Choose a password of 12 to 256 characters on one line that is hard to guess."),
    "token": ("token", "Enter the confirmation code from the mail."),
    "quantity": ("quantity", "Enter a quantity from 1 to 99."),
    "count": ("count", "Enter the number of vouchers, from 1 to 1,000,000."),
    "value": ("value", "Enter the value in euro cents, from 1 to 1,000,000."),
    "campaign": ("campaign", "Enter a campaign of at most 80 characters that does not begin with = + - or @."),
    "valid_from": ("valid_from", "Enter the first day on which the vouchers are valid."),
    "valid_to": ("valid_to", "Enter a last day that is in the future and not before the first day."),
    "notify": ("notify", "Enter the e-mail address that receives the link."),
}


@dataclass
class FormErrors:
    """What is wrong with a form: in all, by field, and by SKU of a basket line."""

    alert: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """The alert with what to do about each field, for forms that show no text at a field."""
        return " ".join(dict.fromkeys([self.alert, *self.fields.values()]))


def message(code: str) -> str:
    """The sentence for a code of an API."""
    return MESSAGES.get(code, UNKNOWN)


def notice(code: str) -> str:
    """The sentence for a code in a page's address, "" for any other text: anyone can write a link."""
    return MESSAGES.get(code, "")


def form_errors(error: ApiError) -> FormErrors:
    """The sentences for a refused form: the problem's code, and its pointers to fields, voucher codes and lines."""
    if error.status >= 500 and error.code not in MESSAGES:
        return FormErrors(UNAVAILABLE)
    errors = FormErrors(message(error.code))
    for pointer, text in error.pointers:
        *parents, name = pointer.split("/")
        if parents[-1:] == ["voucher_codes"]:
            errors.fields[f"voucher-{name}"] = errors.alert
        elif parents[-1:] == ["lines"]:
            errors.lines[name] = f"{text[:1].upper()}{text[1:].removesuffix('.')}." if text else errors.alert
        elif name in FIELDS:
            field_name, advice = FIELDS[name]
            # Only codes of status 400 say nothing but that a field is invalid.
            has_reason = error.status != 400 and error.code in MESSAGES
            errors.fields[field_name] = errors.alert if has_reason else advice
    return errors
