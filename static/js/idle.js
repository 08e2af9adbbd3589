// Warns before a quiet session is signed out, and tells the server apart what a person does and what a page asks by itself.
"use strict";

(() => {
  const limit = document.querySelector("meta[name=cadence-idle-minutes]");
  if (!limit) return;
  const limitMs = Number(limit.content) * 60_000;
  const warnMs = Math.min(60_000, limitMs / 3);
  const KEY = "cadence-last-activity"; // shared by all tabs: working in one keeps the others
  const ALIVE_EVERY_MS = 60_000;
  let told = Date.now();
  let lastInput = Date.now();

  const seen = () => Math.max(Number(localStorage.getItem(KEY)) || 0, lastInput);
  const note = () => {
    if (dialog.open) return; // while asked, only the answer counts
    lastInput = Date.now();
    if (lastInput - (Number(localStorage.getItem(KEY)) || 0) > 2_000) localStorage.setItem(KEY, String(lastInput));
  };

  const dialog = document.createElement("dialog");
  dialog.className = "idle-dialog";
  dialog.setAttribute("aria-labelledby", "idle-title");
  const title = document.createElement("h2");
  title.id = "idle-title";
  title.textContent = "Still there?";
  const words = document.createElement("p");
  words.setAttribute("role", "timer");
  const stay = document.createElement("button");
  stay.type = "button";
  stay.className = "btn btn-primary";
  stay.textContent = "Stay signed in";
  dialog.append(title, words, stay);
  document.body.append(dialog);

  const token = () => JSON.parse(document.body.getAttribute("hx-headers") || "{}")["X-CSRFToken"];
  const post = (address) => fetch(address, { method: "POST", headers: { "X-CSRFToken": token() }, credentials: "same-origin" });

  async function alive() {
    told = Date.now();
    try {
      const answer = await post(limit.dataset.alive);
      if (answer.redirected || answer.status === 403) leave();
    } catch { /* no network: the next answer of the server decides */ }
  }

  async function leave() {
    try { await post(limit.dataset.logout); } catch { /* the server signs out by itself */ }
    const here = location.pathname + location.search;
    location.assign(`${limit.dataset.login}?idle=1&next=${encodeURIComponent(here)}`);
  }

  stay.addEventListener("click", () => { dialog.close(); note(); alive(); });
  dialog.addEventListener("cancel", () => { lastInput = Date.now(); localStorage.setItem(KEY, String(lastInput)); alive(); });
  ["pointerdown", "keydown", "wheel", "touchstart"].forEach((kind) => document.addEventListener(kind, note, { passive: true, capture: true }));

  document.body.addEventListener("htmx:configRequest", (event) => {
    if (Date.now() - lastInput > 10_000) event.detail.headers["X-Cadence-Background"] = "1";
    else told = Date.now();
  });

  localStorage.setItem(KEY, String(Date.now())); // opening a page is activity
  setInterval(() => {
    const quiet = Date.now() - seen();
    if (quiet > limitMs) { leave(); return; }
    if (quiet > limitMs - warnMs) {
      const left = Math.max(0, Math.ceil((limitMs - quiet) / 1000));
      words.textContent = `You will be signed out in ${left} seconds, so that nobody else reads what is open here.`;
      if (!dialog.open) { dialog.showModal(); stay.focus(); }
      return;
    }
    if (dialog.open) dialog.close(); // somebody worked on in another tab
    if (seen() > told && Date.now() - told > ALIVE_EVERY_MS) alive();
  }, 1_000);
})();
