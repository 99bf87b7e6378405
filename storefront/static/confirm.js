// The mailed link carries the confirmation code in its fragment, which browsers do not send to the server.
"use strict";
if (location.hash) {
  document.getElementById("token").value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
