// Vital signs: large keys, what is impossible or unusual, rows that wait on this device, the chart, the late sound.
"use strict";

(() => {
  const day = document.querySelector("[data-day]");
  if (!day) return;
  const SECTION = '[data-section="flowsheet"]';
  const section = () => day.querySelector(SECTION);
  const entryForm = () => document.getElementById("flowsheet-form");

  // -- what is typed here survives every answer of the server, so this part may always show what colleagues wrote
  const drafts = new Map();
  const opened = new Map();
  const isChoice = (field) => field.type === "radio" || field.type === "checkbox";
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.closest?.(SECTION) || !field.id) return;
    event.stopPropagation(); // the frame need not guard this section: the drafts do
    keep(field);
    if (field.matches(".fs-number")) typedNumber(field);
    if (isChoice(field)) hint(field);
  }, true);
  function keep(field) {
    if (field.type === "radio") for (const one of field.form.elements[field.name]) drafts.set(one.id, one.checked);
    else if (isChoice(field)) drafts.set(field.id, field.checked);
    else drafts.set(field.id, field.value);
  }
  function dropDrafts(form) {
    for (const field of form.elements) drafts.delete(field.id);
  }
  document.addEventListener("toggle", (event) => {
    if (event.target.id && event.target.closest?.(SECTION)) opened.set(event.target.id, event.target.open);
  }, true);
  function restore() {
    for (const [id, value] of drafts) {
      const field = document.getElementById(id);
      if (!field) continue;
      if (isChoice(field)) { field.checked = value; if (value) hint(field); } else field.value = value;
    }
    for (const [id, isOpen] of opened) { const box = document.getElementById(id); if (box && isOpen) box.open = true; }
  }
  day.addEventListener("outbox:queued", (event) => {
    if (!event.target.closest(SECTION)) return;
    dropDrafts(event.target);
    if (event.target !== entryForm()) return;
    ask([]);
    event.target.querySelectorAll(".fs-number").forEach((field) => mark(field, ""));
    event.target.querySelectorAll("[data-hint-of]").forEach((text) => { if (text.dataset.rest) text.textContent = text.dataset.rest; });
    const foot = event.target.querySelector("[data-general]");
    foot.textContent = "";
    if (matchMedia("(pointer: fine)").matches) document.getElementById("flowsheet-systolic_mmhg").focus({ preventScroll: true });
  });
  day.addEventListener("htmx:afterRequest", (event) => {
    const form = event.target.closest?.("form");
    if (form?.closest(SECTION) && event.detail.successful) dropDrafts(form);
  });

  // -- large keys
  let current = null; // the number that the keys write to
  const numbers = () => [...(entryForm()?.querySelectorAll(".fs-number") || [])];
  document.addEventListener("focusin", (event) => {
    if (!event.target.matches?.(".fs-number")) return;
    current = event.target.id;
    event.target.select();
  });
  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest?.("[data-key]")) event.preventDefault(); // the field keeps the focus
  });
  document.addEventListener("click", (event) => {
    const key = event.target.closest?.("[data-key]");
    if (key) press(key.dataset.key);
    const choice = event.target.closest?.(".fs-segments label");
    const radio = choice && document.getElementById(choice.htmlFor);
    if (radio?.checked) { // a second tap takes the choice back: not measured
      event.preventDefault();
      radio.checked = false;
      radio.dispatchEvent(new Event("input", { bubbles: true }));
    }
    const fill = event.target.closest?.("[data-fill]");
    if (fill) {
      const field = document.getElementById(fill.dataset.fill);
      field.value = fill.textContent;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.focus();
    }
  });
  function press(key) {
    const field = document.getElementById(current) || numbers()[0];
    if (!field) return;
    if (document.activeElement !== field) { field.focus({ preventScroll: true }); field.setSelectionRange(field.value.length, field.value.length); }
    if (key === "next") { next(field); return; }
    const [from, to] = [field.selectionStart, field.selectionEnd];
    if (key === "back") {
      const start = from === to ? Math.max(0, from - 1) : from;
      field.setRangeText("", start, to, "end");
    } else {
      if (field.value.length - (to - from) >= field.maxLength) return;
      field.setRangeText(key, from, to, "end");
    }
    field.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: key === "back" ? "deleteContentBackward" : "insertText" }));
  }
  function next(field) {
    const all = numbers();
    all[all.indexOf(field) + 1]?.focus({ preventScroll: true });
  }
  let deleting = false;
  document.addEventListener("beforeinput", (event) => { deleting = event.inputType?.startsWith("delete") || false; }, true);
  function typedNumber(field) {
    const digits = field.value.replace(/\D/g, "");
    if (digits !== field.value) field.value = digits;
    mark(field, "");
    ask([]);
    keep(field);
    const value = Number(digits);
    // on to the next one as soon as no further digit could make a possible value
    const isWhole = digits && value >= Number(field.dataset.low) && value * 10 > Number(field.dataset.high);
    if (isWhole && !deleting && document.activeElement === field && field.closest(".fs-fields")) next(field);
    deleting = false;
  }
  function hint(field) {
    const text = section()?.querySelector(`[data-hint-of="${field.name}"]`);
    if (!text) return;
    text.dataset.rest ??= text.textContent;
    const chosen = field.form.querySelector(`input[name="${field.name}"]:checked`);
    text.textContent = chosen ? `${chosen.value}: ${chosen.dataset.hint}` : text.dataset.rest;
  }

  // -- impossible values are refused at the field, unusual ones asked twice
  function mark(field, text) {
    const place = document.getElementById(`${field.id}-error`);
    if (place && place.textContent !== text) place.textContent = text;
    field.classList.toggle("is-invalid", Boolean(text));
    if (text) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid");
  }
  function ask(questions) {
    const place = entryForm()?.querySelector("[data-asks]");
    if (!place || (!questions.length && !place.childElementCount)) return;
    place.replaceChildren();
    if (!questions.length) return;
    const box = document.createElement("div");
    box.className = "callout callout-warn";
    const body = document.createElement("div");
    for (const question of questions) {
      const words = document.createElement("p");
      words.className = "m-0";
      words.textContent = question;
      body.append(words);
    }
    const yes = document.createElement("button");
    yes.type = "submit";
    yes.name = "confirmed";
    yes.value = "1";
    yes.className = "btn btn-tap";
    yes.textContent = "Yes, it is right: save";
    body.append(yes);
    box.append(body);
    place.append(box);
    yes.focus({ preventScroll: true });
    place.scrollIntoView({ block: "nearest" });
  }
  day.addEventListener("outbox:check", (event) => {
    const form = event.target;
    if (form !== entryForm()) return;
    const general = form.querySelector("[data-general]");
    general.textContent = "";
    const wrong = [];
    const odd = [];
    for (const field of numbers()) {
      mark(field, "");
      if (!field.value) continue;
      const value = Number(field.value);
      const { low, high, usualLow, usualHigh, what, unit = "" } = field.dataset;
      if (value < Number(low) || value > Number(high)) wrong.push([field, `${what} must be between ${low} and ${high}.`]);
      else if (usualLow && (value < Number(usualLow) || value > Number(usualHigh))) odd.push(`Read the display again: ${what} ${value} ${unit}?`);
    }
    const [upper, lower] = ["systolic_mmhg", "diastolic_mmhg"].map((name) => form.elements[name]);
    if (Boolean(upper.value) !== Boolean(lower.value)) wrong.push([upper.value ? lower : upper, "Give both pressures, or neither."]);
    else if (upper.value && Number(upper.value) <= Number(lower.value) && !wrong.length) wrong.push([lower, "Systolic must be above diastolic. Were they swapped?"]);
    const isEmpty = !numbers().some((field) => field.value) && !form.querySelector("input[type=radio]:checked") && !form.elements.note.value.trim();
    if (wrong.length || isEmpty) {
      event.preventDefault();
      wrong.forEach(([field, text]) => mark(field, text));
      if (isEmpty) general.textContent = "Enter at least one value or a note.";
      (wrong[0]?.[0] || numbers()[0]).focus();
    } else if (odd.length && event.detail.submitter?.name !== "confirmed") {
      event.preventDefault();
      ask(odd);
    }
  });

  // -- rows that are not saved yet stand in the same table
  function cell(text, css = "num") {
    const made = document.createElement("td");
    made.className = css;
    made.textContent = text || "–";
    return made;
  }
  function waitingRows() {
    const place = section()?.querySelector("[data-fs-waiting]");
    if (!place || !window.cadenceOutbox) return;
    const rows = cadenceOutbox.waiting().filter((entry) => entry.section === "flowsheet" && entry.url === entryForm()?.getAttribute("action"));
    const stamp = rows.map((entry) => entry.uid).join();
    if (place.dataset.stamp === stamp) return;
    place.dataset.stamp = stamp;
    place.replaceChildren(...rows.reverse().flatMap((entry) => {
      const data = new URLSearchParams(entry.body);
      const row = document.createElement("tr");
      row.className = "fs-waiting";
      row.dataset.uid = entry.uid;
      const head = document.createElement("th");
      head.scope = "row";
      const tag = document.createElement("span");
      tag.className = "tag tag-warn";
      tag.textContent = "not yet saved";
      head.append(`${cadenceOutbox.when(entry)} `, tag);
      const pressure = data.get("systolic_mmhg") ? `${data.get("systolic_mmhg")}/${data.get("diastolic_mmhg")}` : "";
      row.append(head, cell(pressure), cell(data.get("heart_rate_bpm")), cell(data.get("spo2_percent") && `${data.get("spo2_percent")} %`),
        ...["respiratory_rate", "moaas", "dissociation", "nausea"].map((name) => cell(data.get(name))));
      if (!data.get("note")) return [row];
      const more = document.createElement("tr");
      more.className = "fs-note";
      const words = cell(data.get("note"), "");
      words.colSpan = 8;
      more.append(words);
      return [row, more];
    }));
    const first = section().querySelector("[data-fs-first]");
    if (first) first.hidden = !rows.length;
  }

  // -- the chart
  let chart = null;
  let drawn = null;
  const watch = new ResizeObserver(() => chart?.resize());
  function colours() {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    return { ink: read("--ink"), soft: read("--ink-soft"), line: read("--line"), surface: read("--surface"), sunken: read("--sunken"), accent: read("--accent"), accentSoft: read("--accent-soft"), danger: read("--danger"), info: read("--info") };
  }
  function options(facts) {
    const c = colours();
    const last = Math.max(...facts.points.map((point) => point[0]), facts.span ? facts.span[1] : 0, 10);
    const first = Math.min(...facts.points.map((point) => point[0]), 0);
    const highest = Math.max(210, ...facts.points.flatMap((point) => [point[1] || 0, point[3] || 0])) + 5;
    const lowest = Math.min(50, ...facts.points.flatMap((point) => [point[2] || 50, point[3] || 50]));
    const label = { color: c.soft, fontSize: 12 };
    const bands = (facts.baseline || []).map((value) => [{ yAxis: value * (1 - facts.share), itemStyle: { color: c.accent, opacity: 0.13 } }, { yAxis: value * (1 + facts.share) }]);
    const line = (name, index, more) => ({
      type: "line", name, connectNulls: true, emphasis: { disabled: true }, symbolSize: 8, endLabel: { show: true, formatter: name, color: c.ink, fontSize: 12, distance: 6 },
      data: facts.points.filter((point) => point[index] !== null).map((point) => [point[0], point[index]]), ...more,
    });
    return {
      animation: false,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
      grid: { left: 34, right: 40, top: 12, bottom: 40 },
      tooltip: { show: false }, // the table beside it says the same
      xAxis: { type: "value", min: Math.floor(first / 10) * 10, max: Math.ceil((last + 1) / 10) * 10, interval: last - first > 90 ? 30 : last - first > 50 ? 20 : 10, name: facts.started ? "minutes since the start" : "minutes since the first look", nameLocation: "middle", nameGap: 24, nameTextStyle: label, axisLabel: label, axisLine: { onZero: false, lineStyle: { color: c.line } }, axisTick: { show: false }, splitLine: { show: false } },
      yAxis: { type: "value", min: Math.floor(lowest / 40) * 40, max: Math.ceil(highest / 40) * 40, interval: 40, axisLabel: label, axisLine: { show: false }, axisTick: { show: false }, splitLine: { lineStyle: { color: c.line } } },
      series: [
        line("Sys", 1, { symbol: "circle", lineStyle: { color: c.accent, width: 2 }, itemStyle: { color: c.accent },
          markArea: { silent: true, data: [...(facts.span ? [[{ xAxis: facts.span[0], itemStyle: { color: c.sunken, opacity: 0.8 } }, { xAxis: facts.span[1] }]] : []), ...bands] },
          markLine: { silent: true, symbol: "none", lineStyle: { color: c.danger, type: "dashed", width: 1 }, data: facts.limits.map((one) => ({ yAxis: one.at, label: { show: true, formatter: one.name, position: "insideStartTop", color: c.danger, fontSize: 11 } })) } }),
        line("Dia", 2, { symbol: "circle", lineStyle: { color: c.accent, width: 2 }, itemStyle: { color: c.surface, borderColor: c.accent, borderWidth: 2 } }),
        line("HR", 3, { symbol: "triangle", lineStyle: { color: c.info, width: 2, type: "dotted" }, itemStyle: { color: c.info } }),
      ],
    };
  }
  function draw(isForced) {
    const box = document.getElementById("flowsheet-chart");
    const source = document.getElementById("flowsheet-facts");
    if (!box || !source || !window.echarts) return;
    if (!box.clientWidth) { watch.observe(box); return; } // the section is closed
    if (box !== drawn) {
      chart?.dispose();
      watch.disconnect();
      chart = echarts.init(box, null, { renderer: "svg" });
      drawn = box;
      watch.observe(box);
    } else if (!isForced) return;
    chart.setOption(options(JSON.parse(source.textContent)), { notMerge: true });
  }
  new MutationObserver(() => draw(true)).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
  document.addEventListener("toggle", (event) => { if (event.target.closest?.(SECTION)) draw(false); }, true);

  // -- late, and the sound for it: off until somebody turns it on, remembered on this device
  const SOUND = "cadence-late-sound";
  const BEEP_EVERY_MS = 30_000;
  let audio = null;
  let beeped = 0;
  const wantsSound = () => localStorage.getItem(SOUND) === "on";
  function beep() {
    if (audio?.state !== "running") return;
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = 880;
    volume.gain.setValueAtTime(0.15, audio.currentTime);
    volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.6);
    tone.connect(volume).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.6);
  }
  function wakeSound() { // a browser plays nothing before somebody has touched the page
    if (!wantsSound()) return;
    audio ??= new AudioContext();
    if (audio.state === "suspended") audio.resume();
  }
  for (const kind of ["pointerup", "keyup"]) document.addEventListener(kind, wakeSound, { passive: true });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-late-sound]")) return;
    localStorage.setItem(SOUND, wantsSound() ? "off" : "on");
    wakeSound();
    if (wantsSound()) beep();
    soundButton();
  });
  function soundButton() {
    const button = section()?.querySelector("[data-late-sound]");
    if (!button) return;
    button.hidden = false;
    button.setAttribute("aria-pressed", String(wantsSound()));
    button.querySelector("[data-sound-on]").hidden = !wantsSound();
    button.querySelector("[data-sound-off]").hidden = wantsSound();
  }
  function tick() {
    const box = section()?.querySelector("[data-flowsheet][data-due]");
    if (!box) return;
    const after = (window.cadenceDay?.now() ?? Date.now()) - Date.parse(box.dataset.due);
    const isLate = after > Number(box.dataset.graceMin) * 60_000;
    box.classList.toggle("is-late", isLate);
    if (isLate && wantsSound() && Date.now() - beeped > BEEP_EVERY_MS) { beeped = Date.now(); beep(); }
  }

  function ready() {
    restore();
    section()?.querySelectorAll("[data-keys], [data-suggest]").forEach((part) => { part.hidden = false; });
    if (matchMedia("(pointer: coarse)").matches) numbers().forEach((field) => { field.inputMode = "none"; }); // our own keys
    soundButton();
    waitingRows();
    draw(false);
    tick();
  }
  day.addEventListener("day:taken", ready);
  day.addEventListener("outbox:changed", waitingRows);
  window.setInterval(tick, 1_000);
  ready();
})();
