// Polls the state of a batch and reloads the page when the batch has ended. Without scripts the page reloads itself.
"use strict";
const statusText = document.getElementById("status");
const progress = document.getElementById("progress");

async function poll() {
  try {
    const response = await fetch(`/admin/vouchers/${statusText.dataset.batch}/status`);
    if (response.ok) {
      const batch = await response.json();
      if (batch.ended) {
        location.reload();
        return;
      }
      statusText.textContent = batch.status;
      progress.value = batch.generated;
    }
  } catch {
    // The storefront is unavailable; the next attempt follows.
  }
  setTimeout(poll, 1000);
}

poll();
