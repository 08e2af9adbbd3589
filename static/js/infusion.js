// An infusion day: every answer brings all sections; those that changed are swapped, those that somebody is typing in
// are left alone and say so. Clocks run from the server's own time.
"use strict";

(() => {
  const day = document.querySelector("[data-day]");
  if (!day) return;
  const news = document.getElementById("day-news");
  const POLL_MS = 5_000;
  const typed = new Set(); // sections in which something was typed that is not saved

  const sectionOf = (node) => node.closest?.("[data-section]");
  const plain = (html) => html.replace(/(name="csrfmiddlewaretoken" value=")[^"]*/g, "$1"); // masked anew in each answer
  const was = new Map(); // section -> what the server last said of it
  const toggled = new Map(); // section -> open or not, where somebody decided
  for (const section of day.querySelectorAll("[data-section]")) was.set(section.dataset.section, plain(section.outerHTML));
  day.addEventListener("click", (event) => {
    const head = event.target.closest("[data-section] > details > summary");
    const section = head && sectionOf(head);
    if (section) toggled.set(section.dataset.section, !head.parentElement.open);
  });
  day.addEventListener("input", (event) => { const found = sectionOf(event.target); if (found) typed.add(found.dataset.section); });

  function take(text, acted) {
    const fresh = new DOMParser().parseFromString(`<body>${text}</body>`, "text/html");
    const facts = fresh.querySelector("[data-day-stamp]");
    if (!facts) return;
    day.querySelector("[data-day-stamp]").replaceWith(document.importNode(facts, true));
    for (const next of fresh.querySelectorAll("[data-section]")) {
      const name = next.dataset.section;
      const old = day.querySelector(`[data-section="${name}"]`);
      if (!old || (name !== acted && was.get(name) === plain(next.outerHTML))) continue;
      if (name !== acted && typed.has(name)) { warn(old, next); continue; }
      swap(old, next, name === acted);
    }
    day.dispatchEvent(new CustomEvent("day:taken", { bubbles: true }));
    skew();
  }

  function swap(old, next, isActed) {
    const name = old.dataset.section;
    const focus = old.contains(document.activeElement) ? document.activeElement.id : "";
    const fresh = document.importNode(next, true);
    was.set(name, plain(next.outerHTML));
    const details = fresh.querySelector("details");
    const refusal = isActed && fresh.querySelector(".invalid-feedback, [role=alert]");
    if (details && refusal) details.open = true;
    else if (details && toggled.has(name)) details.open = toggled.get(name);
    old.replaceWith(fresh);
    typed.delete(name);
    htmx.process(fresh);
    if (focus) document.getElementById(focus)?.focus();
    if (refusal) refusal.scrollIntoView({ block: "center" });
  }

  function warn(old, next) {
    if (old.querySelector(".day-changed")) return;
    const bar = document.createElement("div");
    bar.className = "callout callout-warn day-changed";
    const words = document.createElement("span");
    words.textContent = "Somebody changed this part meanwhile. What you typed is still here.";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm";
    button.textContent = "Show theirs";
    button.addEventListener("click", () => swap(old, next, true));
    bar.append(words, button);
    old.querySelector(".card-body")?.prepend(bar);
    news.textContent = words.textContent;
  }

  // acts: forms post with htmx, swap nothing themselves, and their answer is merged here
  day.addEventListener("htmx:beforeSwap", (event) => {
    const acted = sectionOf(event.detail.requestConfig?.elt || event.target)?.dataset.section || "";
    if (!event.detail.serverResponse?.includes("data-day-stamp")) return;
    event.detail.shouldSwap = false;
    take(event.detail.serverResponse, acted);
  });

  // what others do: nothing comes back while nothing changed
  async function poll() {
    if (document.visibilityState === "visible" && navigator.onLine) {
      const seen = day.querySelector("[data-day-stamp]").dataset.dayStamp;
      try {
        const answer = await fetch(`${day.dataset.day}?seen=${encodeURIComponent(seen)}`, {
          headers: { "HX-Request": "true", "X-Cadence-Background": "1" }, redirect: "error",
        });
        if (answer.status === 200) take(await answer.text(), "");
      } catch { /* offline: the flowsheet says so, and the next round asks again */ }
    }
    window.setTimeout(poll, POLL_MS);
  }
  window.setTimeout(poll, POLL_MS);

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-open-section]");
    const section = link && day.querySelector(`[data-section="${link.dataset.openSection}"]`);
    if (!section) return;
    event.preventDefault();
    section.querySelector("details").open = true;
    toggled.set(section.dataset.section, true);
    section.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    section.querySelector("input:not([type=hidden]), select, textarea, button:not([disabled])")?.focus({ preventScroll: true });
  });

  // clocks: [data-clock-from] counts up, [data-clock-until] counts down and turns late
  let ahead = 0; // server minus device, ms
  function skew() { ahead = Date.parse(day.querySelector("[data-day-stamp]").dataset.dayNow) - Date.now(); }
  skew();
  const two = (n) => String(n).padStart(2, "0");
  function say(ms) {
    const total = Math.floor(Math.abs(ms) / 1000);
    const hours = Math.floor(total / 3600);
    const rest = `${hours ? two(Math.floor(total / 60) % 60) : Math.floor(total / 60)}:${two(total % 60)}`;
    return hours ? `${hours}:${rest}` : rest;
  }
  function tick() {
    const now = Date.now() + ahead;
    for (const clock of day.querySelectorAll("[data-clock-from]")) {
      const text = say(Math.max(0, now - Date.parse(clock.dataset.clockFrom) + Number(clock.dataset.clockPlus || 0)));
      if (clock.textContent !== text) clock.textContent = text;
    }
    for (const clock of day.querySelectorAll("[data-clock-until]")) {
      const left = Date.parse(clock.dataset.clockUntil) - now;
      clock.classList.toggle("is-late", left < 0);
      const text = left < 0 ? `${say(left)} late` : say(left);
      if (clock.textContent !== text) clock.textContent = text;
    }
  }
  window.setInterval(tick, 1_000);
  tick();
  window.cadenceDay = { take, now: () => Date.now() + ahead, untrack: (name) => typed.delete(name) };
})();
