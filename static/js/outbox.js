// What was entered at the chair is kept on this device until the server has it: forms with data-outbox are written to
// localStorage first and sent from there, in order, one at a time. Each entry has a key of its own (uid), so that one
// which is sent twice is stored once. Nothing is dropped but by a person. The store holds numbers, notes and ids.
"use strict";

(() => {
  const day = document.querySelector("[data-day]");
  if (!day || !window.cadenceDay) return;
  const PREFIX = "cadence-outbox:";
  const DELAYS_MS = [2_000, 5_000, 15_000];
  const PATIENCE_MS = 20_000;
  const { user, userName, booking, zone, signIn: signInAt } = day.dataset;
  const panel = document.getElementById("outbox");
  const list = document.getElementById("outbox-list");
  const icons = document.getElementById("outbox-icons").content;
  let busy = false, again = false, timer = 0, tries = 0;
  let stopped = ""; // why nothing is sent until somebody acts: signed out
  let lastSubmit = { what: "", at: 0 };
  let lastInput = Date.now();

  // -- the store: one key for each entry, so two windows never overwrite each other's
  function entries() {
    const found = [];
    for (let i = 0; i < localStorage.length; i += 1) {
      const key = localStorage.key(i);
      if (!key.startsWith(PREFIX)) continue;
      try { found.push(JSON.parse(localStorage.getItem(key))); } catch { /* not ours */ }
    }
    return found.filter(Boolean).sort((a, b) => a.order - b.order);
  }
  const keyOf = (entry) => PREFIX + entry.uid;
  const write = (entry) => localStorage.setItem(keyOf(entry), JSON.stringify(entry));
  const forget = (entry) => localStorage.removeItem(keyOf(entry));
  const isKept = (entry) => localStorage.getItem(keyOf(entry)) !== null;
  const mine = () => entries().filter((entry) => entry.user === user);
  const sendable = () => mine().filter((entry) => entry.state === "waiting");

  function newUid() {
    if (crypto.randomUUID) return crypto.randomUUID();
    const bytes = crypto.getRandomValues(new Uint8Array(16)); // a plain-http address in the house has no randomUUID
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  }

  // -- in: a form is not sent but kept
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches?.("form[data-outbox]") || !day.contains(form)) return;
    const stop = () => { event.preventDefault(); event.stopImmediatePropagation(); };
    const check = new CustomEvent("outbox:check", { bubbles: true, cancelable: true, detail: { submitter: event.submitter } });
    if (!form.dispatchEvent(check)) { stop(); return; }
    const data = new URLSearchParams(new FormData(form, event.submitter));
    data.delete("csrfmiddlewaretoken");
    data.delete("uid");
    const url = event.submitter?.getAttribute("formaction") || form.getAttribute("action");
    const what = `${url}?${data}`;
    if (what === lastSubmit.what && Date.now() - lastSubmit.at < 1_500) { stop(); return; } // a double tap
    const uid = newUid();
    data.set("uid", uid);
    if (!data.get("at")) data.set("at", new Date(cadenceDay.now()).toISOString());
    const order = Math.max(Date.now() * 100, ...entries().map((entry) => entry.order + 1));
    const entry = {
      uid, url, body: data.toString(), user, who: userName, booking, order, state: "waiting", said: "",
      section: form.closest("[data-section]")?.dataset.section || "", label: form.dataset.outbox || "Entry", at: data.get("at"),
    };
    try { write(entry); } catch { return; } // no room on this device: the form goes its usual way
    stop();
    lastSubmit = { what, at: Date.now() };
    form.reset();
    cadenceDay.untrack?.(entry.section);
    form.dispatchEvent(new CustomEvent("outbox:queued", { bubbles: true, detail: { entry } }));
    render();
    drain();
  }, true);

  // -- out
  const token = () => JSON.parse(document.body.getAttribute("hx-headers") || "{}")["X-CSRFToken"];
  const alone = (work) => (navigator.locks ? navigator.locks.request("cadence-outbox", work) : work());

  async function drain() {
    if (busy) { again = true; return; }
    busy = true;
    window.clearTimeout(timer);
    try { await alone(sendAll); } finally { busy = false; }
    render();
    if (again) { again = false; drain(); }
  }

  async function sendAll() {
    while (!stopped) {
      const next = sendable()[0];
      if (!next) { tries = 0; return; }
      if (!navigator.onLine || !(await send(next))) { later(); return; }
      render();
    }
  }

  function later() {
    if (stopped) return;
    window.clearTimeout(timer);
    timer = window.setTimeout(drain, DELAYS_MS[Math.min(tries, DELAYS_MS.length - 1)]);
    tries += 1;
    render();
  }

  async function send(entry) {
    const patience = new AbortController();
    const limit = window.setTimeout(() => patience.abort(), PATIENCE_MS);
    const headers = { "Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": token(), "HX-Request": "true" };
    if (Date.now() - lastInput > 10_000) headers["X-Cadence-Background"] = "1"; // a retry keeps nobody signed in
    let answer, text;
    try {
      answer = await fetch(entry.url, { method: "POST", body: entry.body, headers, redirect: "manual", credentials: "same-origin", signal: patience.signal });
      text = await answer.text();
    } catch { return false; } finally { window.clearTimeout(limit); }
    if (answer.status >= 500 || answer.status === 408 || answer.status === 429) return false;
    tries = 0;
    if (answer.ok && text.includes("data-day-stamp")) {
      forget(entry);
      tell(answer);
      if (entry.booking === booking) {
        const typing = day.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
        cadenceDay.take(text, typing ? "" : entry.section);
      }
      return true;
    }
    if (answer.ok || answer.type === "opaqueredirect" || answer.status === 401 || answer.status === 403) {
      stopped = "sign-in";
      return false;
    }
    if (!isKept(entry)) return true;
    Object.assign(entry, refusal(answer.status, text));
    write(entry);
    return true;
  }

  function tell(answer) {
    let events = {};
    try { events = JSON.parse(answer.headers.get("HX-Trigger") || "{}"); } catch { /* a bare name: nobody listens */ }
    for (const [name, detail] of Object.entries(events)) document.body.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // What the server says against an entry: a question about an unusual value, a refusal, or that somebody was faster.
  function refusal(status, text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const acted = page.querySelector("[data-acted]")?.dataset.acted;
    const part = (acted && page.querySelector(`[data-section="${acted}"]`)) || page;
    const words = (selector) => [...part.querySelectorAll(selector)].map((node) => node.textContent.replace(/\s+/g, " ").trim()).filter(Boolean).join(" ");
    if (status === 422 && part.querySelector("[data-unusual]")) return { state: "asks", said: words("[data-unusual] p") };
    const said = words("[data-refusal]") || words(".invalid-feedback, .errorlist, .fs-error") || words("[role=alert]:not([data-alarm])")
      || `The server did not take it (${status}).`;
    return { state: status === 409 ? "conflict" : "refused", said, isSigned: status === 409 && /signed/.test(said) };
  }

  // -- what is shown
  const clock = (iso) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" }).format(new Date(iso));
  const icon = (name) => icons.querySelector(`[data-icon="${name}"]`).firstElementChild.cloneNode(true);
  const SHORT = { heart_rate_bpm: "HR", spo2_percent: "SpO2", respiratory_rate: "breaths", moaas: "MOAA/S", dissociation: "dissociation", nausea: "nausea", note: "note:", reason: "reason:", what_was_done: "" };

  function contents(entry) {
    const data = new URLSearchParams(entry.body);
    const said = [];
    if (data.get("systolic_mmhg")) said.push(`${data.get("systolic_mmhg")}/${data.get("diastolic_mmhg")}`);
    for (const [name, short] of Object.entries(SHORT)) if (data.get(name)) said.push(`${short} ${data.get(name)}`.trim());
    return said.join(", ");
  }
  const when = (entry) => new URLSearchParams(entry.body).get("clock") || clock(entry.at);

  function element(name, css, ...children) {
    const made = document.createElement(name);
    if (css) made.className = css;
    made.append(...children);
    return made;
  }
  function button(text, act, css = "btn btn-tap") {
    const made = element("button", css, text);
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  }

  function line(entry) {
    const head = element("p", "m-0", element("strong", "", entry.label), ` ${when(entry)} `, element("span", "soft", contents(entry)));
    const acts = element("div", "outbox-acts");
    const body = element("div", "", head);
    if (entry.state === "waiting") body.append(element("p", "soft small m-0", "Not yet saved."));
    else {
      body.append(element("p", "m-0", entry.said));
      if (entry.state === "asks") acts.append(button("Yes, it is right: save", () => confirmValue(entry), "btn btn-tap btn-primary"));
      if (entry.booking !== booking) {
        const link = element("a", "btn btn-tap", "Open that visit");
        link.href = entry.url.replace(/\/infusion\/.*$/, "/infusion/");
        acts.append(link);
      } else {
        if (entry.isSigned && day.querySelector('[data-section="sign"] textarea[name=text]')) acts.append(button("Add as an amendment", () => amend(entry)));
        if (!entry.isSigned && formOf(entry)) acts.append(button(entry.state === "asks" ? "Change it" : "Edit", () => edit(entry)));
      }
      acts.append(discardButton(entry));
    }
    const item = element("li", `outbox-item is-${entry.state}`, icon(entry.state === "waiting" ? "waiting" : "asks"), body);
    if (acts.childElementCount) body.append(acts);
    item.dataset.uid = entry.uid;
    return item;
  }

  function discardButton(entry) {
    const made = button("Discard", () => {
      if (made.dataset.sure) { forget(entry); render(); return; }
      made.dataset.sure = "1";
      made.textContent = "Discard for good";
      made.classList.add("btn-danger");
    });
    return made;
  }

  function confirmValue(entry) {
    const data = new URLSearchParams(entry.body);
    data.set("confirmed", "1");
    write({ ...entry, body: data.toString(), state: "waiting", said: "" });
    render();
    drain();
  }

  function formOf(entry) {
    const data = new URLSearchParams(entry.body);
    const hidden = (form) => [...form.querySelectorAll("input[type=hidden]")].filter((one) => !["csrfmiddlewaretoken", "uid", "at", "confirmed"].includes(one.name));
    return [...day.querySelectorAll("form[data-outbox]")].find((form) => form.getAttribute("action") === entry.url && hidden(form).every((one) => data.get(one.name) === one.value));
  }

  function edit(entry) {
    const form = formOf(entry);
    if (!form) return;
    const data = new URLSearchParams(entry.body);
    if (form.elements.clock && !data.get("clock")) data.set("clock", clock(entry.at));
    for (const name of ["uid", "at", "confirmed"]) data.delete(name);
    for (const [name, value] of data) {
      const field = form.elements[name];
      if (!field) continue;
      field.value = value; // a group of radio buttons takes a value as well
      for (const one of field instanceof RadioNodeList ? field : [field]) one.dispatchEvent(new Event("input", { bubbles: true }));
    }
    forget(entry);
    render();
    const details = form.closest("details");
    if (details) details.open = true;
    form.scrollIntoView({ block: "center" });
    form.querySelector("input:not([type=hidden]), textarea")?.focus({ preventScroll: true });
  }

  function amend(entry) {
    const text = day.querySelector('[data-section="sign"] textarea[name=text]');
    const reason = text.form.elements.reason;
    text.value = `${entry.label} at ${when(entry)}: ${contents(entry)}.`;
    if (reason && !reason.value) reason.value = "Entered on the device before the signature, sent after it";
    text.dispatchEvent(new Event("input", { bubbles: true }));
    for (let box = text.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    text.scrollIntoView({ block: "center" });
    text.focus({ preventScroll: true });
  }

  let shown = "";
  function render() {
    const all = entries();
    const own = all.filter((entry) => entry.user === user);
    const waiting = own.filter((entry) => entry.state === "waiting");
    const aside = own.filter((entry) => entry.state !== "waiting");
    const others = all.filter((entry) => entry.user !== user);
    const held = Boolean(stopped) || !navigator.onLine || tries > 0;
    // rows of the flowsheet stand in its table already
    const listed = [...aside, ...(held ? waiting.filter((entry) => entry.section !== "flowsheet" || entry.booking !== booking) : [])];
    const stamp = JSON.stringify([listed, others.map((entry) => entry.uid)]);
    if (stamp !== shown) {
      shown = stamp;
      const items = listed.map(line);
      for (const name of new Set(others.map((entry) => entry.who))) {
        const count = others.filter((entry) => entry.who === name).length;
        const words = `${count} ${count === 1 ? "entry" : "entries"} by ${name} ${count === 1 ? "waits" : "wait"}: ${name} has to sign in here to send ${count === 1 ? "it" : "them"}.`;
        items.push(element("li", "outbox-item is-waiting", icon("waiting"), element("p", "m-0", words)));
      }
      list.replaceChildren(...items);
      panel.hidden = !items.length;
    }
    status(waiting.length, aside.length, held);
    day.dispatchEvent(new CustomEvent("outbox:changed", { detail: { waiting: waiting.filter((entry) => entry.booking === booking), held } }));
  }

  function status(waiting, aside, held) {
    const box = document.getElementById("day-queue");
    if (!box) return;
    let name = "saved", text = "All saved";
    if (aside) [name, text] = ["asks", aside === 1 ? "1 entry needs you" : `${aside} entries need you`];
    if (waiting && stopped) [name, text] = ["waiting", `${waiting} waiting: `];
    else if (waiting && held) [name, text] = ["waiting", `${waiting} waiting for network`];
    else if (waiting) [name, text] = ["sending", "Saving …"];
    const stamp = `${name} ${text}`;
    if (box.dataset.says === stamp) return;
    box.dataset.says = stamp;
    box.className = `day-queue is-${name}`;
    box.replaceChildren(icon(name), ` ${text}`);
    if (waiting && stopped) {
      const link = element("a", "", "sign in to send");
      link.href = `${signInAt}?next=${encodeURIComponent(location.pathname)}`;
      box.append(link);
    }
  }

  // -- when to try again
  window.addEventListener("online", () => { tries = 0; drain(); });
  window.addEventListener("offline", render);
  window.addEventListener("storage", (event) => { if (!event.key || event.key.startsWith(PREFIX)) { render(); drain(); } });
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "visible") drain(); });
  day.addEventListener("day:taken", render);
  for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, () => { lastInput = Date.now(); }, { passive: true, capture: true });
  window.addEventListener("beforeunload", (event) => {
    // Nobody is at the device: the page leaves to sign out, and what waits stays in the store.
    if (sendable().length && Date.now() - lastInput < 60_000) event.preventDefault();
  });
  window.cadenceOutbox = { waiting: () => mine().filter((entry) => entry.state === "waiting" && entry.booking === booking), when, contents };
  render();
  drain();
})();
