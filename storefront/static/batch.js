// Shows how far a batch is, and the page anew once it has ended. Without scripts the page reloads itself.
"use strict";
const shown = document.getElementById("status");
const progress = document.getElementById("progress");

async function ask() {
  try {
    const answer = await fetch(`/admin/vouchers/${shown.dataset.batch}/status`);
    if (answer.ok) {
      const batch = await answer.json();
      if (batch.ended) {
        location.reload();
        return;
      }
      shown.textContent = batch.status;
      progress.value = batch.generated;
    }
  } catch {
    // Out of reach for a moment: asked again.
  }
  setTimeout(ask, 1000);
}

ask();
