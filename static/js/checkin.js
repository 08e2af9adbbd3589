// Check-in: "None of these" and a medicine exclude each other, the rest before a repeat counts down, and a hold that
// passes by itself is looked at again when it has.
"use strict";

(() => {
  const day = document.querySelector("[data-day]");
  if (!day) return;

  day.addEventListener("change", (event) => {
    const box = event.target.closest("[data-checkin-none] input[type=checkbox]");
    if (!box?.checked) return;
    const group = box.closest("[data-checkin-none]");
    const none = group.dataset.checkinNone;
    for (const other of group.querySelectorAll("input[type=checkbox]")) {
      if (other !== box && (box.value === none || other.value === none)) other.checked = false;
    }
  });

  const now = () => window.cadenceDay?.now() ?? Date.now();
  const WATCH_MS = 30_000;
  let asked = "";
  let looked = now();

  // the time that a hold passes by itself, or what others mend on other pages: nothing was written here, so ask
  function wantsLook() {
    const wait = day.querySelector("[data-checkin-refresh]")?.dataset.checkinRefresh;
    if (wait && asked !== wait && Date.parse(wait) <= now()) { asked = wait; return true; }
    return Boolean(day.querySelector("[data-checkin-watch]")) && now() - looked > WATCH_MS;
  }

  function isTouched() {
    return [...day.querySelectorAll("#section-checkin :is(input, textarea)")].some((field) =>
      ["radio", "checkbox"].includes(field.type) ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);
  }

  async function look() {
    looked = now();
    const answer = await fetch(day.dataset.day, {
      headers: { "HX-Request": "true", "X-Cadence-Background": "1" }, redirect: "error",
    }).catch(() => null);
    if (answer?.status === 200) window.cadenceDay?.take(await answer.text(), "");
  }

  function tick() {
    for (const node of day.querySelectorAll("[data-checkin-rest]")) {
      const left = Math.ceil((Date.parse(node.dataset.checkinRest) - now()) / 1000);
      const said = left > 0 ? `(in ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")})` : "(now)";
      if (node.textContent !== said) node.textContent = said;
    }
    if (document.visibilityState === "visible" && !isTouched() && wantsLook()) look();
  }
  window.setInterval(tick, 1_000);
  tick();
})();
