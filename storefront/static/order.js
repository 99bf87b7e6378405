// Asks for the order's status as often as the shop advises, and shows the page anew once there is an end. Without scripts the
// page reloads itself.
"use strict";
const shown = document.getElementById("status");

async function ask() {
  let wait = 2;
  try {
    const answer = await fetch(`/orders/${shown.dataset.order}/status`, { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const order = await answer.json();
      if (!answer.headers.has("Retry-After")) {
        location.reload();
        return;
      }
      shown.textContent = order.status;
    }
    wait = Number(answer.headers.get("Retry-After")) || wait;
  } catch {
    // Out of reach for a moment: asked again.
  }
  setTimeout(ask, wait * 1000);
}

ask();
