"""The checkout: a quotation is shown, and "Buy now" orders exactly that quotation."""

from dataclasses import asdict, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.apis import ApiError
from app.checkout_forms import ADDRESS, CARDS, COUNTRIES, CheckoutForm
from app.messages import MESSAGES, UNAVAILABLE, FormErrors, form_errors, message
from app.order_status import is_failed
from app.pages import RETRY_SECONDS, customer_token, form_of, render, see_other, session_of, site_of
from app.quotations import DELIVERY_METHODS, Confirmation, Quotation, compare, order_key
from app.shop_pages import basket_digest, basket_id, order_of, read_basket

# Only the limit of the whole form applies: the confirmed quotation of 99 lines with the longest SKUs has some 50 KB, and a text
# that is too long is marked on a page that keeps everything else.
MAX_FIELD_BYTES = 64 * 1024
# What was typed is forgotten after this time, and when an order is complete.
STORED_SECONDS = 3600
OTHER_BASKET = (
    "This page was not for the basket that you have now. Nothing was ordered. "
    "Please check the products and the price, then press “Buy now”."
)
FAILED_BEFORE = (
    "Your last order has failed, and nothing was ordered again. Please check the price, then press “Buy now”."
)
SAME_PRICE = "The price had to be checked again and is the same. Nothing was ordered yet: press “Buy now” to order."
CHECK_PRICE = "Nothing was ordered yet. Please check the price for these details, then press “Buy now”."
# The order may have been accepted: the form keeps its quotation, whose key makes the next click the same order.
UNCERTAIN = "We could not find out whether your order was placed. Press “Buy now” again: you pay for it at most once."
SESSION_ENDED = "Your session has ended. Sign in again, or enter your e-mail address and continue as a guest."


async def checkout_form(request: Request) -> Response:
    """GET /checkout: with the price at once if the address was typed before, or the customer's address is known."""
    basket = await read_basket(request)
    if number := order_of(basket):
        return see_other(f"/orders/{number}")
    if not basket["items"]:
        return see_other("/basket")
    stored = await site_of(request).checkouts.read(basket_id(request))
    if stored:
        return await _quote(request, CheckoutForm.from_store(stored))
    form, session = CheckoutForm(), await session_of(request)
    if session and session.customer_id:
        form = replace(form, address=form.address | await _profile_address(request, session.customer_id, session.token))
    return await (_quote(request, form) if form.address["postal_code"] else _page(request, form, basket=basket))


async def _profile_address(request: Request, customer_id: str, token: str) -> dict[str, str]:
    try:
        profile = await site_of(request).apis.call("customers", "GET", f"customers/{customer_id}/profile", token=token)
    except ApiError:
        # The customer can still type an address.
        return {}
    addresses = profile.body.get("addresses") or [{}]
    return {name: addresses[0][name] for name in ADDRESS if name in addresses[0]}


async def submit_checkout(request: Request) -> Response:
    """POST /checkout {address fields, email, card, delivery, voucher*, basket, confirmation, action}

    ``action`` is ``buy`` to order the quotation that the form showed; anything else shows a new quotation. Inputs that
    differ from those of the quotation are quoted and shown first, and so is the price of the present basket for a form of
    another one: what was typed there may be another person's, and is not stored.
    """
    fields = await form_of(request, max_field_bytes=MAX_FIELD_BYTES)
    form = CheckoutForm.parse(fields)
    confirmation = Confirmation.from_field(str(fields.get("confirmation", "")))
    if not basket_id(request):
        return see_other("/basket")
    if fields.get("basket") != basket_digest(request):
        return await _quote(request, form, FormErrors(OTHER_BASKET), 409)
    is_stored = await _store(request, form, await _stored_order(request))
    if fields.get("action") != "buy":
        # Going back or reloading does not send the form again.
        return see_other("/checkout") if is_stored else await _quote(request, form)
    if confirmation is None or confirmation.inputs != form.inputs():
        return await _quote(request, form, FormErrors(CHECK_PRICE), 409)
    if form.missing or form.too_long:
        errors = FormErrors(MESSAGES["INVALID_REQUEST"], form.missing)
        return await _page(request, form, confirmation.quotation, errors, 400)
    return await _buy(request, form, confirmation.quotation)


async def _store(request: Request, form: CheckoutForm, order_number: str) -> bool:
    """Store what was typed, with the latest order of the basket. False if the store is unavailable."""
    stored = asdict(form) | {"order_number": order_number}
    return await site_of(request).checkouts.write(basket_id(request), stored, STORED_SECONDS)


async def _stored_order(request: Request) -> str:
    stored = await site_of(request).checkouts.read(basket_id(request))
    return str(stored.get("order_number", "")) if stored else ""


async def _quote(
    request: Request,
    form: CheckoutForm,
    errors: FormErrors | None = None,
    status: int = 200,
    before: Quotation | None = None,
) -> Response:
    """Show what the order costs now, beside ``before`` if that was confirmed."""
    body = form.quotation_request(basket_id(request))
    try:
        response = await site_of(request).apis.call(
            "orders", "POST", "quotations", json=body, token=await customer_token(request)
        )
    except ApiError as error:
        return await _refused(request, form, error)
    return await _page(request, form, Quotation.from_api(response.body), errors, status, before)


async def _buy(request: Request, form: CheckoutForm, quotation: Quotation) -> Response:
    """Order the quotation. Its Idempotency-Key makes repeated clicks, tabs and reloads one order."""
    session = await session_of(request)
    is_customer = session is not None and bool(session.customer_id)
    order = form.order_request(quotation) | ({"email": session.email} if session and is_customer else {})
    token, key = await customer_token(request), order_key(quotation.quotation_id)
    try:
        response = await site_of(request).apis.call("orders", "POST", "orders", json=order, token=token, key=key)
    except ApiError as error:
        return await _order_refused(request, form, quotation, error)
    number = response.body["order_number"]
    await _store(request, form, number)
    # The basket service empties the basket when the order is complete, and gives it back when it fails.
    return see_other(f"/orders/{number}")


async def _order_refused(request: Request, form: CheckoutForm, quotation: Quotation, error: ApiError) -> Response:
    if error.code == "QUOTATION_CHANGED":
        return await _quotation_changed(request, form, quotation, error)
    if error.code == "QUOTATION_NOT_FOUND":
        return await _quote(request, form, FormErrors(message(error.code)), 409, quotation)
    if error.status >= 500:
        return await _page(request, form, quotation, FormErrors(UNCERTAIN), 503)
    return await _refused(request, form, error, quotation)


async def _quotation_changed(request: Request, form: CheckoutForm, before: Quotation, error: ApiError) -> Response:
    """Show the confirmed quotation beside the new one, the lines that cannot be bought, and the vouchers that are dropped."""
    problem = error.problem.get("quotation")
    if not isinstance(problem, dict):
        return await _quote(request, form, FormErrors(message(error.code)), 409, before)
    rejected = [(each["code_suffix"], message(each["code"])) for each in problem.get("rejected_vouchers", [])]
    form = form.without_vouchers([suffix for suffix, _ in rejected])
    dropped = [f"Voucher …{suffix} is no longer part of the order: {reason}" for suffix, reason in rejected]
    lines = {each["sku"]: message(each["code"]) for each in problem.get("problems", [])}
    errors = FormErrors(" ".join([message(error.code), *dropped]), {}, lines)
    return await _page(request, form, Quotation.from_api(problem), errors, 409, before)


async def _refused(
    request: Request, form: CheckoutForm, error: ApiError, quotation: Quotation | None = None
) -> Response:
    """Show the form as it was typed, with what is wrong, or the order of the basket."""
    if error.code in ("BASKET_NOT_FOUND", "EMPTY_BASKET"):
        # The basket of a page that was still open is gone when its order is complete.
        number = await _stored_order(request) if quotation else ""
        return see_other(f"/orders/{number}" if number else "/basket")
    if error.code == "IDEMPOTENCY_KEY_REUSED" and (number := await _order_number(request)):
        return await _ordered_before(request, form, number)
    if error.code == "BASKET_ORDERED" and (number := await _order_number(request)):
        return see_other(f"/orders/{number}")
    if error.status == 401:
        request.state.session = None
        response = await _page(request, form, quotation, FormErrors(SESSION_ENDED), 401)
        await site_of(request).sessions.end(request, response)
        return response
    if error.status >= 500:
        return await _page(request, form, quotation, FormErrors(UNAVAILABLE), 503)
    return await _page(request, form, quotation, form_errors(error), error.status)


async def _ordered_before(request: Request, form: CheckoutForm, number: str) -> Response:
    """Show the order of a quotation that was sent again with other details; if it has failed, a new quotation for these."""
    if await is_failed(request, number):
        return await _quote(request, form, FormErrors(FAILED_BEFORE), 409)
    return see_other(f"/orders/{number}?message=IDEMPOTENCY_KEY_REUSED")


async def _order_number(request: Request) -> str:
    """The order of the basket, "" if it is unknown. The basket names it when the processing of the order has begun."""
    return order_of(await _basket(request)) or await _stored_order(request)


async def _page(
    request: Request,
    form: CheckoutForm,
    quotation: Quotation | None = None,
    errors: FormErrors | None = None,
    status: int = 200,
    before: Quotation | None = None,
    basket: dict[str, Any] | None = None,
) -> Response:
    """The form with the summary of ``quotation``; without one, with the basket, and without a button to buy."""
    errors = errors or FormErrors()
    errors = replace(errors, fields=form.too_long | errors.fields)
    if basket is None:
        basket = {} if quotation else await _basket(request)
    names = {line.sku: line.name for line in quotation.lines if line.name} if quotation else {}
    shown = [*(quotation.lines if quotation else ()), *(before.lines if before else ())]
    skus = {line.sku for line in shown} | {item["sku"] for item in basket.get("items", [])} | set(errors.lines)
    names |= await site_of(request).names.of(sku for sku in skus if sku not in names)
    changes = compare(before, quotation, names) if before and quotation else []
    if changes and not errors.lines and not any(row.is_changed for row in changes):
        errors, changes = replace(errors, alert=SAME_PRICE), []
    session = await session_of(request)
    response = await render(
        request,
        "checkout.html",
        status,
        form=form,
        errors=errors,
        quotation=quotation,
        basket_digest=basket_digest(request),
        confirmation=Confirmation(quotation, form.inputs()).to_field() if quotation else "",
        changes=changes,
        basket=basket,
        names=names,
        cards=CARDS,
        countries=COUNTRIES,
        delivery_methods=DELIVERY_METHODS,
        is_guest=not (session and session.customer_id),
    )
    if status in (429, 503):
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


async def _basket(request: Request) -> dict[str, Any]:
    """The basket for a form without a quotation; empty while the basket service is unavailable."""
    try:
        return await read_basket(request)
    except ApiError:
        return {}
