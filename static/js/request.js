// The page for asking. Without scripts the crisis lines appear beside a "yes" too (public.css); this reads them out.
"use strict";

const said = document.getElementById("crisis-said");
const lines = document.getElementById("crisis-now");
document.addEventListener("change", (event) => {
  if (event.target.name !== "danger") return;
  said.textContent = event.target.value === "yes" ? lines.textContent.replace(/\s+/g, " ").trim() : "";
});

// After a refusal the list of what to mend is read first.
document.getElementById("refused")?.focus();

// Sent once by a double click; the page can be sent again when somebody comes back to it.
const form = document.querySelector("main form");
form.addEventListener("submit", (event) => {
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
});
window.addEventListener("pageshow", () => delete form.dataset.sent);
