// Refreshes the map every few seconds while the page is visible. Without scripts the page reloads itself.
"use strict";
const SECONDS = 3;

async function refresh() {
  const live = document.getElementById("live");
  // Does not replace content that has the focus or a selection.
  if (!document.hidden && !live.contains(document.activeElement) && getSelection().isCollapsed) {
    try {
      const response = await fetch(location.href);
      if (response.ok && !response.redirected) {
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        live.replaceChildren(...page.getElementById("live").childNodes);
      }
    } catch {
      // The storefront is unavailable; the next attempt follows.
    }
  }
  setTimeout(refresh, SECONDS * 1000);
}

setTimeout(refresh, SECONDS * 1000);
