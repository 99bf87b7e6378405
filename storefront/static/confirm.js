// The link of the mail has the confirmation code behind its #, which browsers do not send.
"use strict";
if (location.hash) {
  document.getElementById("token").value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
