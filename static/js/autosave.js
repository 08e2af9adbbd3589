// A record whose fields save themselves. htmx sends each field (see _field.html); this keeps what could not be sent,
// says so, tries again, and never lets a window close over unsaved words unasked.
"use strict";

(() => {
  const record = document.querySelector("[data-record]");
  if (!record) return;
  record.classList.add("has-autosave");
  const status = record.querySelector("[data-record-state]");
  const RETRY_MS = [2_000, 5_000, 15_000];
  const fields = new Map(); // wrapper -> { saved, sent, state, tries, timer }

  const control = (wrapper) => wrapper.querySelector("textarea, select, input:not([type=hidden])");
  const value = (wrapper) => {
    const input = control(wrapper);
    return input.type === "checkbox" ? (input.checked ? input.value : "") : input.value;
  };
  const facts = (wrapper) => fields.get(wrapper);
  const place = (wrapper) => wrapper.querySelector(".af-state");
  const isDirty = (wrapper) => value(wrapper) !== facts(wrapper).saved;
  const isAsking = (wrapper) => Boolean(place(wrapper).querySelector(".af-conflict")); // whose words stay?
  let savedAt = ""; // on the clocks of the location, as the server says it

  function say(wrapper, state, text) {
    const box = place(wrapper);
    box.dataset.state = state;
    if (isAsking(wrapper)) return; // the question stays until it is answered
    box.querySelectorAll("p").forEach((old) => old.remove());
    if (!text) return;
    const words = document.createElement("p");
    words.className = `m-0 ${{ refused: "af-refusal", waiting: "af-waiting" }[state] || ""}`;
    if (state === "refused") words.setAttribute("role", "alert");
    words.textContent = text;
    box.append(words);
  }

  function tell() {
    const states = [...fields].map(([wrapper, one]) => (isDirty(wrapper) ? one.state || "typing" : one.state));
    const is = (name) => states.includes(name);
    const [level, text] =
      is("waiting") ? ["warn", "Not saved: offline, kept in this window"] :
      is("conflict") ? ["warn", "Not saved: somebody else changed a field"] :
      is("refused") ? ["warn", "Not saved: a field needs a look"] :
      is("saving") || is("typing") ? ["", "Saving …"] :
      is("saved") ? ["ok", `All saved ${savedAt}`.trim()] : ["", "Saved as you type"];
    status.dataset.level = level;
    if (status.textContent !== text) status.textContent = text;
  }

  function mark(wrapper, state, text = "") {
    facts(wrapper).state = state;
    say(wrapper, state, text);
    tell();
  }

  function tooLong(wrapper) {
    const limit = Number(wrapper.dataset.limit);
    const over = [...value(wrapper).trim()].length - limit;
    if (control(wrapper).tagName === "SELECT" || over <= 0) return "";
    return `At most ${limit.toLocaleString("en-US")} characters fit here; this is ${over.toLocaleString("en-US")} too long. Not saved; what you typed stays in the field.`;
  }

  function send(wrapper) {
    window.clearTimeout(facts(wrapper).timer);
    if (isDirty(wrapper)) htmx.trigger(wrapper, "resend");
  }

  function later(wrapper) {
    const one = facts(wrapper);
    window.clearTimeout(one.timer);
    one.timer = window.setTimeout(() => send(wrapper), RETRY_MS[Math.min(one.tries, RETRY_MS.length - 1)]);
    one.tries += 1;
  }

  function begin(wrapper) {
    const state = place(wrapper).dataset.state;
    fields.set(wrapper, { saved: value(wrapper), sent: null, state: state === "saved" ? "" : state, tries: 0, timer: 0 });
    if (state === "conflict" || state === "refused") facts(wrapper).saved = null; // what was typed is not what is stored
  }
  record.querySelectorAll("[data-autosave]").forEach(begin);
  const mine = (event) => { const found = event.target.closest?.("[data-autosave]"); return fields.has(found) ? found : null; };

  record.addEventListener("input", (event) => {
    const wrapper = mine(event);
    if (!wrapper) return;
    const refusal = tooLong(wrapper);
    const long = Number(wrapper.dataset.limit);
    control(wrapper).toggleAttribute("aria-invalid", Boolean(refusal));
    if (refusal) { if (facts(wrapper).state !== "refused") mark(wrapper, "refused", refusal); else place(wrapper).querySelector("p").textContent = refusal; return; }
    if (isAsking(wrapper)) return;
    const near = long > 1_000 && value(wrapper).length > long * 0.9 ? `${value(wrapper).length.toLocaleString("en-US")} of ${long.toLocaleString("en-US")} characters` : "";
    if (facts(wrapper).state !== "waiting") mark(wrapper, "typing", near);
  });

  // before: nothing is sent twice, nothing that cannot fit
  record.addEventListener("htmx:beforeRequest", (event) => {
    const wrapper = mine(event);
    if (!wrapper || event.detail.elt !== wrapper) return;
    // Sent now, its answer could come after the click that decides, and ask again.
    if (isAsking(wrapper)) { event.preventDefault(); return; }
    const refusal = tooLong(wrapper);
    if (refusal || !isDirty(wrapper)) {
      event.preventDefault();
      if (refusal) mark(wrapper, "refused", refusal);
      else if (facts(wrapper).state === "typing") mark(wrapper, "");
      return;
    }
    facts(wrapper).sent = value(wrapper);
    mark(wrapper, "saving", facts(wrapper).state === "waiting" ? "Not saved: offline, kept in this window. Trying again …" : "Saving …");
  });

  // after: what was sent is saved; what was typed since goes next (htmx has it in its queue, or the pause is running)
  record.addEventListener("htmx:afterRequest", (event) => {
    const wrapper = mine(event);
    if (!wrapper || event.detail.elt !== wrapper || !event.detail.xhr) return;
    const one = facts(wrapper);
    const answered = event.detail.xhr.status;
    if (answered === 0) return; // sendError says it
    one.tries = 0;
    if (answered === 200) {
      one.saved = one.sent;
      savedAt = place(wrapper).querySelector(".af-said .num")?.textContent || savedAt;
      one.state = isDirty(wrapper) ? "typing" : "saved";
      control(wrapper).removeAttribute("aria-invalid");
    } else if (answered === 422 || answered === 409) {
      one.state = place(wrapper).dataset.state;
      control(wrapper).setAttribute("aria-invalid", "true");
    } else if (answered >= 500) {
      mark(wrapper, "waiting", "Not saved: the server could not take it. Kept in this window, trying again.");
      later(wrapper);
    } else {
      mark(wrapper, "refused", "Not saved. What you typed stays in this window: copy it, then load the page again.");
    }
    tell();
  });

  function offline(event) {
    const wrapper = mine(event);
    if (!wrapper) return;
    event.stopPropagation(); // one quiet line instead of a notice for each try
    mark(wrapper, "waiting", "Not saved: offline, kept in this window.");
    later(wrapper);
  }
  record.addEventListener("htmx:sendError", offline);
  record.addEventListener("htmx:timeout", offline);
  window.addEventListener("online", () => fields.forEach((one, wrapper) => { if (one.state === "waiting") { one.tries = 0; send(wrapper); } }));

  // somebody else wrote meanwhile: one click decides
  record.addEventListener("click", (event) => {
    const button = event.target.closest("[data-resolve]");
    const wrapper = button && mine(event);
    if (!wrapper) return;
    event.preventDefault();
    const box = button.closest(".af-conflict");
    const { theirs, base } = box.dataset;
    const input = control(wrapper);
    if (button.dataset.resolve === "theirs") {
      if (input.type === "checkbox") input.checked = Boolean(theirs);
      else input.value = theirs;
    } else if (button.dataset.resolve === "both") {
      input.value = [theirs, input.value.trim()].filter(Boolean).join("\n\n");
    }
    place(wrapper).querySelector("input[type=hidden]").value = base;
    box.remove();
    const one = facts(wrapper);
    one.saved = theirs;
    if (isDirty(wrapper)) { mark(wrapper, "typing"); htmx.trigger(wrapper, "resend"); } else mark(wrapper, "saved", "Theirs was taken.");
    input.removeAttribute("aria-invalid");
    input.focus();
  });

  // what reads the record (to sign it, to write a letter from it) waits until everything typed is in it
  let waiting = null;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-after-save]");
    if (!link || ![...fields.keys()].some(isDirty)) return;
    event.preventDefault();
    event.stopPropagation();
    const stuck = [...fields].find(([wrapper, one]) => isDirty(wrapper) && ["conflict", "refused", "waiting"].includes(one.state));
    if (stuck) {
      notice("Something you typed is not saved yet. Look at the marked field first.", "warning");
      control(stuck[0]).focus();
      return;
    }
    waiting = link;
    fields.forEach((one, wrapper) => send(wrapper));
  }, true);
  record.addEventListener("htmx:afterSettle", () => {
    const link = waiting;
    if (!link || [...fields.keys()].some(isDirty)) return;
    waiting = null;
    link.click();
  });

  // Enter in a one-line field would send the section's form, which is for pages without JavaScript
  record.addEventListener("submit", (event) => {
    if (!event.target.matches(".consult-fields")) return;
    event.preventDefault();
    event.stopPropagation();
    event.target.querySelectorAll("[data-autosave]").forEach(send);
  }, true);

  window.addEventListener("beforeunload", (event) => {
    if (![...fields.keys()].some(isDirty)) return;
    fields.forEach((one, wrapper) => { if (one.state !== "waiting") send(wrapper); });
    event.preventDefault();
  });

  // where one is in the page
  const links = new Map([...record.querySelectorAll(".consult-link")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    entries.forEach((entry) => { entry.target.dataset.seen = entry.isIntersecting ? "1" : ""; });
    const first = [...record.querySelectorAll(".consult-section")].find((section) => section.dataset.seen);
    if (!first) return;
    links.forEach((link, key) => {
      link.classList.toggle("is-here", key === first.id);
      if (key !== first.id) { link.removeAttribute("aria-current"); return; }
      link.setAttribute("aria-current", "location");
      const list = link.closest("ol"); // a row of its own on a phone
      list.scrollLeft = link.offsetLeft - (list.clientWidth - link.offsetWidth) / 2;
    });
  }, { rootMargin: "-80px 0px -55% 0px" });
  record.querySelectorAll(".consult-section").forEach((section) => seen.observe(section));
})();
