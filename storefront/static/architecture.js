// Shows the map anew every few seconds while somebody looks. Without scripts the page reloads itself.
"use strict";
const SECONDS = 3;

async function look() {
  const live = document.getElementById("live");
  // What somebody reads or has in focus is not taken from under them.
  if (!document.hidden && !live.contains(document.activeElement) && getSelection().isCollapsed) {
    try {
      const answer = await fetch(location.href);
      if (answer.ok && !answer.redirected) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        live.replaceChildren(...page.getElementById("live").childNodes);
      }
    } catch {
      // Out of reach for a moment: asked again.
    }
  }
  setTimeout(look, SECONDS * 1000);
}

setTimeout(look, SECONDS * 1000);
