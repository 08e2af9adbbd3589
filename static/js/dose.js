// The running infusion between two answers of the server: the bar, what was delivered about now (mg × minutes run ÷
// minutes planned), and the rest between nasal devices. When a time is up the server is asked how it stands.
"use strict";

(() => {
  const day = document.querySelector("[data-day]");
  if (!day || !window.cadenceDay) return;
  const asked = new Set(); // moments at which the server was asked

  async function ask(moment) {
    if (asked.has(moment)) return;
    asked.add(moment);
    try {
      const answer = await fetch(day.dataset.day, { headers: { "HX-Request": "true", "X-Cadence-Background": "1" }, redirect: "error" });
      if (answer.status === 200) window.cadenceDay.take(await answer.text(), "");
    } catch { window.setTimeout(() => asked.delete(moment), 10_000); /* offline: the clocks go on, and so do the taps */ }
  }

  function show() {
    const now = window.cadenceDay.now();
    const run = day.querySelector("[data-run]");
    if (run) {
      const facts = run.dataset;
      const ran = (Math.max(0, now - Date.parse(facts.runSince)) + Number(facts.runBefore)) / 1000;
      const planned = Number(facts.runPlanned);
      run.querySelector("[data-run-bar]").value = Math.min(ran, planned);
      const text = (Number(facts.runMg) * Math.min(1, ran / planned)).toFixed(1);
      const said = run.querySelector("[data-run-delivered]");
      if (said.textContent !== text) said.textContent = text;
      if (ran >= planned - 60) ask(`${facts.runSince} end`);
    }
    const resting = day.querySelector("[data-rest-until]");
    const words = resting?.querySelector("[data-rest-words]");
    if (words) {
      const left = Math.ceil((Date.parse(resting.dataset.restUntil) - now) / 1000);
      const text = left > 0 ? `The next device in ${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : "Five minutes are over: the next device may be used";
      if (words.textContent !== text) words.textContent = text;
      words.parentElement.classList.toggle("is-over", left <= 0);
      if (left <= 0) ask(`${resting.dataset.restUntil} rest`);
    }
  }
  day.addEventListener("day:taken", show);
  window.setInterval(show, 1_000);
  show();
})();
