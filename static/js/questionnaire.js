// Saves an answer as soon as it is chosen and says so, in the words that the page brings along. Without this file "Next" saves it.
"use strict";

(() => {
  const form = document.getElementById("answer");
  const said = document.getElementById("saved");
  if (!form) return;
  let latest = 0;

  form.addEventListener("change", async (event) => {
    if (event.target.name !== "value") return;
    const mine = ++latest;
    const sent = new URLSearchParams(new FormData(form));
    form.elements.seen.value = event.target.value; // "Next" knows of it, whichever of both arrives first
    try {
      const answer = await fetch(form.action, { method: "POST", body: sent, headers: { "X-Cadence-Autosave": "1" }, credentials: "same-origin" });
      if (mine !== latest) return; // a later choice is on its way
      if (answer.status === 204) said.textContent = event.target.hasAttribute("data-danger") ? form.dataset.savedDanger : form.dataset.saved;
      else said.textContent = answer.status === 410 || answer.status === 404 ? form.dataset.closed : form.dataset.unsaved;
    } catch {
      if (mine === latest) said.textContent = form.dataset.offline;
    }
  });

  // A form is never sent twice by a double tap.
  document.addEventListener("submit", (event) => {
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "1";
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((one) => delete one.dataset.sent));
})();
