// The planner's strip: drawn from the page's own data, infusions dragged or moved by keys; the server's judge decides.
"use strict";
(() => {
  document.documentElement.classList.add("has-js");
  const HOUR_PX = 32;
  let strip = null; // what is drawn now
  let lifted = null; // the infusion in the air
  let focusNext = null; // the infusion that gets the focus after the page has changed

  const say = (minute) => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
  const make = (tag, name, text) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  function draw() {
    const source = document.getElementById("plan-strip-data");
    const box = document.getElementById("plan-strip");
    if (source && source === strip?.source) return; // other parts of the page settled, the plan is the same
    strip = null;
    lifted = null;
    if (!source || !box) return;
    const data = JSON.parse(source.textContent);
    if (!data.days || !data.days.length) return;
    strip = { source, data, box, hint: document.getElementById("plan-hint"), days: new Map(), visits: new Map(), zones: new Map() };
    strip.usual = strip.hint.textContent;
    const px = (minutes) => `${(minutes * HOUR_PX) / 60}px`;
    strip.px = px;
    const grid = make("div", "strip");
    grid.style.gridTemplateColumns = `3rem repeat(${data.days.length}, minmax(58px, 1fr))`;
    grid.style.setProperty("--hour", `${HOUR_PX}px`);
    grid.append(make("div", "strip-corner"));
    let month = "";
    for (const day of data.days) {
      const head = make("div", `strip-head${day.state === "open" ? "" : " is-off"}`, day.weekday);
      head.append(make("strong", "", day.month === month ? day.date : `${day.date} ${day.month}`));
      month = day.month;
      grid.append(head);
    }
    const hours = make("div", "strip-hours");
    hours.style.height = px(data.to - data.from);
    for (let minute = data.from + 60; minute < data.to; minute += 60) {
      const mark = make("span", "", say(minute));
      mark.style.top = px(minute - data.from);
      hours.append(mark);
    }
    grid.append(hours);
    let before = null;
    for (const day of data.days) {
      grid.append(column(day, before));
      before = day;
    }
    for (const one of data.plan) {
      const cell = strip.days.get(one.day);
      if (cell) cell.node.append(visit(one));
    }
    box.replaceChildren(grid);
    box.hidden = strip.hint.hidden = false;
    const mode = document.getElementById("plan-mode");
    if (mode) mode.hidden = false;
    const first = data.plan.length && strip.days.get(data.plan[0].day);
    if (first) box.scrollLeft = Math.max(0, first.node.offsetLeft - 120);
    if (focusNext) strip.visits.get(focusNext)?.node.focus({ preventScroll: true });
    focusNext = null;
  }

  function column(day, before) {
    const { data, px } = strip;
    const node = make("div", `strip-day strip-${day.state}`);
    if (before && day.monday <= before.monday) node.classList.add("strip-week");
    node.style.height = px(data.to - data.from);
    const place = (from, to, name) => {
      const part = make("div", name);
      part.style.top = px(from - data.from);
      part.style.height = px(to - from);
      node.append(part);
    };
    for (const [from, to, level] of day.load) place(from, to, `strip-load strip-load-${level}`);
    for (const [from, to] of day.away) place(Math.max(from, data.from), Math.min(to, data.to), "strip-part");
    if (day.state !== "open" && day.state !== "past") node.append(make("span", "strip-note", day.note));
    node.title = day.note || (day.away.length ? `${day.said}: patient cannot come ${day.away.map(([a, b]) => `${say(a)}–${say(b)}`).join(", ")}` : "");
    strip.days.set(day.day, { day, node });
    return node;
  }

  function face(one, name) {
    const { data, px } = strip;
    const node = make(name === "strip-ghost" ? "div" : "button", `strip-visit ${name || ""}`);
    if (!name) node.type = "button";
    let from = 0;
    data.shape.forEach((minutes, index) => {
      const piece = make("span", `strip-piece strip-piece-${index}`);
      piece.style.top = px(from);
      piece.style.height = px(minutes);
      node.append(piece);
      from += minutes;
    });
    const words = make("span", "strip-words");
    const said = strip.days.get(one.day).day.said;
    words.append(make("span", "visually-hidden", "Infusion "), make("strong", "", one.number), make("span", "visually-hidden", `, ${said}, `), make("span", "strip-time", say(one.start)));
    node.append(words);
    node.style.top = px(one.start - data.from);
    node.style.height = px(from);
    return node;
  }

  function visit(one) {
    const node = face(one, "");
    if (one.blocked) node.classList.add("is-blocked");
    node.id = `strip-visit-${one.number}`;
    node.setAttribute("aria-describedby", "plan-hint");
    node.addEventListener("pointerdown", (event) => press(event, one));
    node.addEventListener("keydown", (event) => key(event, one));
    node.addEventListener("blur", () => lifted?.byKey && !lifted.sent && drop(false));
    strip.visits.set(one.number, { one, node });
    return node;
  }

  const mode = () => document.querySelector("input[name=plan-mode]:checked")?.value || "only";

  // Where an infusion may go, asked once for each infusion and mode.
  function zonesOf(number) {
    const name = `${number}-${mode()}`;
    if (!strip.zones.has(name)) {
      const url = `${strip.box.dataset.zones}&number=${number}&mode=${mode()}`;
      strip.zones.set(name, fetch(url, { headers: { Accept: "application/json" } }).then((answer) => (answer.ok ? answer.json() : Promise.reject(answer))));
    }
    return strip.zones.get(name);
  }

  async function lift(one, byKey) {
    const mine = { one, byKey, day: one.day, start: one.start, zones: null, ghost: face(one, "strip-ghost"), sent: false };
    lifted = mine;
    strip.visits.get(one.number).node.classList.add("is-lifted");
    show();
    try {
      mine.zones = (await zonesOf(one.number)).days;
    } catch {
      if (lifted === mine) drop(false);
      notice("The server cannot be reached. Nothing was moved.", "error");
      return;
    }
    if (lifted !== mine) return;
    light();
    show();
  }

  function light() {
    const { data, px } = strip;
    strip.box.classList.add("is-dragging");
    for (const [iso, zone] of Object.entries(lifted.zones)) {
      const cell = strip.days.get(iso);
      if (!cell || !zone.minutes.length) continue;
      cell.node.classList.add("has-zone");
      let from = zone.minutes[0];
      zone.minutes.forEach((minute, index) => {
        if (zone.minutes[index + 1] === minute + data.step) return;
        const part = make("div", `strip-zone is-${zone.tone}`);
        part.style.top = px(from - data.from);
        part.style.height = px(minute + data.step - from);
        cell.node.append(part);
        from = zone.minutes[index + 1];
      });
    }
  }

  function verdict() {
    const cell = strip.days.get(lifted.day);
    const at = `${cell.day.said}, ${say(lifted.start)}`;
    if (lifted.day === lifted.one.day && lifted.start === lifted.one.start) return { tone: "legal", text: `Infusion ${lifted.one.number} is on ${at}.` };
    const zone = lifted.zones && lifted.zones[lifted.day];
    if (!lifted.zones) return { tone: "", text: `${at} …` };
    if (!zone) return { tone: "block", text: `${at}: ${cell.day.note || "outside the calendar that was read"}.` };
    if (zone.tone === "block") return { tone: "block", text: zone.message };
    if (!zone.minutes.includes(lifted.start)) return { tone: "block", text: `${at}: not free for the whole visit.` };
    return { tone: zone.tone, text: zone.tone === "breach" ? `${at}: ${zone.message}` : `${at}: legal. ${zone.message}` };
  }

  function show() {
    const { data, px, hint } = strip;
    const judged = verdict();
    const cell = strip.days.get(lifted.day);
    lifted.judged = judged;
    lifted.ghost.className = `strip-visit strip-ghost is-${judged.tone}`;
    lifted.ghost.style.top = px(lifted.start - data.from);
    lifted.ghost.querySelector(".strip-time").textContent = say(lifted.start);
    if (lifted.ghost.parentNode !== cell.node) cell.node.append(lifted.ghost);
    hint.textContent = judged.text;
    hint.className = `plan-hint is-${judged.tone}`;
    if (lifted.byKey) {
      document.getElementById("plan-live").textContent = judged.text;
      lifted.ghost.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  function drop(put) {
    const mine = lifted;
    if (!mine) return;
    const moved = mine.day !== mine.one.day || mine.start !== mine.one.start;
    mine.sent = put && moved;
    lifted = null;
    mine.ghost.remove();
    strip.box.classList.remove("is-dragging");
    strip.box.querySelectorAll(".strip-zone").forEach((part) => part.remove());
    strip.box.querySelectorAll(".has-zone").forEach((part) => part.classList.remove("has-zone"));
    strip.hint.className = "plan-hint";
    strip.hint.textContent = strip.usual;
    strip.visits.get(mine.one.number).node.classList.remove("is-lifted");
    if (!mine.sent) return;
    focusNext = mine.one.number;
    const url = `${strip.box.dataset.move}&move=${mine.one.number}&to=${mine.day}T${say(mine.start)}&mode=${mode()}`;
    htmx.ajax("GET", url, { target: "#plan-answer", swap: "outerHTML" });
  }

  // Pointer: a press becomes a drag after a few pixels, so that a click only focuses.
  function press(event, one) {
    if (event.button || lifted) return;
    const node = event.currentTarget;
    const start = { x: event.clientX, y: event.clientY };
    const grip = event.clientY - node.getBoundingClientRect().top;
    const move = (now) => {
      if (!lifted) {
        if (Math.hypot(now.clientX - start.x, now.clientY - start.y) < 5) return;
        node.setPointerCapture(event.pointerId);
        lift(one, false);
      }
      if (lifted) follow(now, grip);
    };
    const end = (now) => {
      node.removeEventListener("pointermove", move);
      node.removeEventListener("pointerup", end);
      node.removeEventListener("pointercancel", end);
      if (lifted && !lifted.byKey) drop(now.type === "pointerup");
    };
    node.addEventListener("pointermove", move);
    node.addEventListener("pointerup", end);
    node.addEventListener("pointercancel", end);
  }

  function follow(event, grip) {
    const { data } = strip;
    for (const [iso, cell] of strip.days) {
      const box = cell.node.getBoundingClientRect();
      if (event.clientX < box.left || event.clientX >= box.right) continue;
      const minute = data.from + ((event.clientY - grip - box.top) / HOUR_PX) * 60;
      const snapped = Math.round(minute / data.step) * data.step;
      lifted.day = iso;
      lifted.start = Math.min(Math.max(snapped, data.from), data.to - data.step);
    }
    show();
  }

  // Keys: an arrow lifts the infusion and walks the free starts; Enter puts it down, Escape leaves it.
  async function key(event, one) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Escape" && lifted) { event.preventDefault(); drop(false); return; }
    if ((event.key === "Enter" || event.key === " ") && lifted) { event.preventDefault(); drop(true); return; }
    const step = arrows[event.key];
    if (!step) return;
    event.preventDefault();
    if (!lifted) await lift(one, true);
    if (!lifted || !lifted.zones) return;
    walk(...step);
    show();
  }

  function walk(dayStep, minuteStep) {
    const { zones } = lifted;
    const isos = [...strip.days.keys()].filter((iso) => iso === lifted.day || zones[iso]?.minutes.length);
    if (dayStep) {
      const next = isos[isos.indexOf(lifted.day) + dayStep];
      if (!next) return;
      const near = (minute) => Math.abs(minute - lifted.start);
      lifted.start = next === lifted.one.day ? lifted.one.start : [...zones[next].minutes].sort((a, b) => near(a) - near(b))[0];
      lifted.day = next;
      return;
    }
    const minutes = zones[lifted.day]?.minutes || [];
    const wanted = minuteStep > 0 ? minutes.find((minute) => minute > lifted.start) : minutes.findLast((minute) => minute < lifted.start);
    if (wanted !== undefined) lifted.start = wanted;
  }

  document.addEventListener("change", (event) => event.target.name === "plan-mode" && strip?.zones.clear());
  document.addEventListener("htmx:afterSettle", (event) => event.target.closest?.("#plan-answer, #planner") && draw());
  draw();
})();
