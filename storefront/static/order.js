// Polls the order's status at the interval of Retry-After, and reloads the page when the order has a final status. Without scripts
// the page reloads itself.
"use strict";
const statusText = document.getElementById("status");

async function poll() {
  let wait = 2;
  try {
    const response = await fetch(`/orders/${statusText.dataset.order}/status`, { headers: { Accept: "application/json" } });
    if (response.ok) {
      const order = await response.json();
      if (!response.headers.has("Retry-After")) {
        location.reload();
        return;
      }
      statusText.textContent = order.status;
    }
    wait = Number(response.headers.get("Retry-After")) || wait;
  } catch {
    // The storefront is unavailable; the next attempt follows.
  }
  setTimeout(poll, wait * 1000);
}

poll();
