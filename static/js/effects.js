// An infusion day: what changes by the clock alone (the observation is over, a value has become too old) is asked for
// anew at that moment, because nobody writes anything then.
"use strict";

(() => {
  const day = document.querySelector("[data-day]");
  if (!day) return;
  let asked = "";

  async function look() {
    const mark = day.querySelector("[data-day-again]");
    const at = mark?.dataset.dayAgain || "";
    if (!at || at === asked || !window.cadenceDay || document.visibilityState !== "visible") return;
    if (window.cadenceDay.now() < Date.parse(at)) return;
    asked = at;
    try {
      const answer = await fetch(day.dataset.day, {
        headers: { "HX-Request": "true", "X-Cadence-Background": "1" }, redirect: "error",
      });
      if (answer.ok) window.cadenceDay.take(await answer.text(), "");
    } catch { asked = ""; /* offline: the next second asks again */ }
  }
  window.setInterval(look, 1_000);
})();
