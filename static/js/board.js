// The chair board: clocks go on from the server's time, what others do comes within seconds, late vital signs are seen
// and, where somebody wants that, heard. A board that cannot be renewed says so.
"use strict";

(() => {
  const board = document.querySelector("[data-board]");
  const news = document.getElementById("chairs-news");
  if (!board || !news) return;
  const POLL_MS = 4_000;
  const STALE_MS = 20_000;
  const AGAIN_MS = 20_000; // how often the sound comes back while something is late
  const KEY = "cadence-chairs-sound";

  const facts = () => board.querySelector("[data-board-stamp]");
  let ahead = 0; // server minus device, ms
  const skew = () => { ahead = Date.parse(facts().dataset.boardNow) - Date.now(); };
  const serverNow = () => Date.now() + ahead;
  let heardAt = Date.now();

  // -- what others do --------------------------------------------------------------------------------------------------
  const said = new Map(); // part -> what the server last said of it
  const parts = (root) => root.querySelectorAll("[data-part]");
  const remember = () => { said.clear(); for (const part of parts(board)) said.set(part.dataset.part, part.outerHTML); };

  function take(text) {
    const fresh = new DOMParser().parseFromString(`<body>${text}</body>`, "text/html");
    if (!fresh.querySelector("[data-board-stamp]")) return; // a proxy spoke, not the clinic
    heardAt = Date.now();
    const names = (root) => [...parts(root)].map((part) => part.dataset.part).join();
    const focus = board.contains(document.activeElement) ? document.activeElement.id : "";
    const before = states();
    if (names(fresh) === names(board)) {
      for (const next of parts(fresh)) {
        const name = next.dataset.part;
        if (said.get(name) === next.outerHTML) continue;
        const ours = document.importNode(next, true);
        board.querySelector(`[data-part="${name}"]`).replaceWith(ours);
        said.set(name, next.outerHTML);
      }
      facts().replaceWith(document.importNode(fresh.querySelector("[data-board-stamp]"), true));
    } else { // a chair came or went
      board.replaceChildren(...[...fresh.body.childNodes].map((node) => document.importNode(node, true)));
      for (const next of parts(fresh)) said.set(next.dataset.part, next.outerHTML);
    }
    skew();
    tick();
    if (focus) document.getElementById(focus)?.focus();
    tell(before);
  }

  const states = () => new Map([...board.querySelectorAll("[data-booking]")].map((card) => [card.dataset.booking, { ...card.dataset }]));
  function tell(before) {
    const lines = [];
    for (const [id, now] of states()) if (before.get(id)?.state !== now.state) lines.push(`${now.chair}: ${now.state}`);
    if (lines.length) news.textContent = lines.join(". ");
  }

  async function poll() {
    if (document.visibilityState === "visible") {
      try {
        const answer = await fetch(`${board.dataset.board}?seen=${encodeURIComponent(facts().dataset.boardStamp)}`, {
          headers: { "HX-Request": "true", "X-Cadence-Background": "1" }, redirect: "error",
        });
        if (answer.headers.get("HX-Redirect")) { location.reload(); return; } // signed out meanwhile
        if (answer.status === 200) take(await answer.text());
        if (answer.status === 204) heardAt = Date.now();
      } catch { /* no network: the board says so, and the next round asks again */ }
    } else { heardAt = Math.max(heardAt, Date.now() - STALE_MS + POLL_MS); }
    window.setTimeout(poll, POLL_MS);
  }
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") tick(); });

  // -- clocks ----------------------------------------------------------------------------------------------------------
  const two = (n) => String(n).padStart(2, "0");
  function say(ms) {
    const total = Math.floor(Math.abs(ms) / 1000);
    const hours = Math.floor(total / 3600);
    const minutes = Math.floor(total / 60) % 60;
    return hours ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
  }
  function write(node, text) { if (node && node.textContent !== text) node.textContent = text; }

  function tick() {
    const now = serverNow();
    for (const clock of board.querySelectorAll("[data-since]")) {
      write(clock, say(Math.max(0, now - Date.parse(clock.dataset.since) + Number(clock.dataset.plus))));
    }
    for (const clock of board.querySelectorAll("[data-until]")) {
      const left = Date.parse(clock.dataset.until) - now;
      write(clock, say(left));
      const line = clock.parentElement;
      const label = line.querySelector("[data-label]");
      line.classList.toggle("is-over", left < 0);
      write(label, left >= 0 ? label.dataset.label : line.classList.contains("chair-main") ? "over" : "past the plan");
    }
    for (const part of board.querySelectorAll("[data-ring-since]")) {
      const gone = now - Date.parse(part.dataset.ringSince) + Number(part.dataset.ringPlus);
      const percent = Math.max(0, Math.min(100, (100 * gone) / Number(part.dataset.ringWhole)));
      part.setAttribute("stroke-dasharray", `${percent.toFixed(1)} 100`);
    }
    for (const due of board.querySelectorAll("[data-due]")) {
      const left = Date.parse(due.dataset.due) - now;
      const late = left < -Number(due.dataset.grace) * 60_000;
      due.classList.toggle("is-soon", !late && left < 60_000);
      due.classList.toggle("is-late", late);
      due.closest(".chair").classList.toggle("is-late", late);
      write(due.querySelector(".due-said"), left >= 0 ? `in ${say(left)}` : late ? `${say(left)} late` : "due now");
    }
    const wall = document.querySelector("[data-wall-clock]");
    if (wall) write(wall, new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: wall.dataset.wallClock }).format(now));
    stale();
    alarm();
  }

  function stale() {
    const bar = document.getElementById("chairs-stale");
    const away = Date.now() - heardAt;
    if (!bar) return;
    bar.hidden = away < STALE_MS;
    document.body.classList.toggle("is-stale", !bar.hidden);
    if (!bar.hidden) write(document.getElementById("chairs-stale-words"), `Nothing heard from the server for ${say(away)}.`);
  }

  // -- the sound -------------------------------------------------------------------------------------------------------
  const button = document.getElementById("chairs-sound");
  let sound = null; // made by a touch: browsers let no page speak before one
  let isOn = false;
  try { isOn = localStorage.getItem(KEY) === "on"; } catch { /* private windows */ }
  let loudAt = 0;
  let late = new Set();

  const ask = () => [
    ...[...board.querySelectorAll(".due.is-late")].map((due) => `${due.dataset.who}: vital signs are late`),
    ...[...board.querySelectorAll("[data-flag=alarm]")].map((flag) => `${flag.closest("[data-chair]").dataset.chair}: alarm not answered`),
  ];

  function alarm() {
    const now = new Set(ask());
    const fresh = [...now].filter((one) => !late.has(one));
    late = now;
    if (fresh.length) news.textContent = fresh.join(". ");
    if (!now.size || !isOn) return;
    if (fresh.length || Date.now() - loudAt > AGAIN_MS) beep();
  }

  function beep() {
    loudAt = Date.now();
    board.dataset.beeps = String(Number(board.dataset.beeps || 0) + 1);
    if (sound?.state !== "running") return;
    for (const [at, pitch] of [[0, 880], [0.25, 660]]) {
      const tone = sound.createOscillator();
      const volume = sound.createGain();
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.0001, sound.currentTime + at);
      volume.gain.exponentialRampToValueAtTime(0.25, sound.currentTime + at + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, sound.currentTime + at + 0.22);
      tone.connect(volume).connect(sound.destination);
      tone.start(sound.currentTime + at);
      tone.stop(sound.currentTime + at + 0.24);
    }
  }

  function show() {
    button.setAttribute("aria-pressed", String(isOn));
    const state = !isOn ? "off" : sound?.state === "running" ? "on" : "asleep";
    for (const words of button.querySelectorAll("[data-sound]")) words.hidden = words.dataset.sound !== state;
  }

  async function wake() {
    if (!isOn) return;
    try {
      sound ||= new AudioContext();
      if (sound.state !== "running") await sound.resume();
    } catch { /* no sound on this device: the board is seen all the same */ }
    show();
  }

  if (button) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const wasAsleep = isOn && sound?.state !== "running";
      if (!wasAsleep) isOn = !isOn;
      try { localStorage.setItem(KEY, isOn ? "on" : "off"); } catch { /* private windows */ }
      await wake();
      show();
      if (isOn) beep(); // so that one hears what it will sound like
    });
    document.addEventListener("pointerdown", (event) => { if (!button.contains(event.target)) wake(); });
    show();
  }

  skew();
  remember();
  tick();
  window.setInterval(tick, 1_000);
  window.setTimeout(poll, POLL_MS);
})();
