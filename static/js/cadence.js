// What every page shares: search palette, theme, notices, side sheet, keyboard.
"use strict";

const search = document.getElementById("search");

// Where the rail of a phone or a row of tabs is wider than its room, it shows the part with the page one is on.
for (const here of document.querySelectorAll(":is(.rail, .patient-tabs, .report-tabs) [aria-current=page]")) {
  const row = here.closest(".rail, .patient-tabs, .report-tabs"), box = here.getBoundingClientRect(), around = row.getBoundingClientRect();
  if (row.scrollWidth > row.clientWidth) row.scrollLeft += box.left - around.left - (row.clientWidth - box.width) / 2;
}

function openSearch() {
  if (!search || search.open) return;
  search.showModal();
  const input = document.getElementById("search-input");
  input.value = "";
  document.getElementById("search-results").replaceChildren();
  input.focus();
}

function typing(target) {
  return target.closest("input, textarea, select, [contenteditable]");
}

document.addEventListener("keydown", (event) => {
  const wanted = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing(event.target));
  if (wanted) {
    event.preventDefault();
    openSearch();
  }
});

// Arrow keys walk the results, Enter opens the marked one; focus stays in the field (ARIA combobox).
search?.addEventListener("keydown", (event) => {
  const options = [...search.querySelectorAll("[role=option]")];
  if (!options.length || !["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) return;
  const now = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "Enter") {
    event.preventDefault();
    (options[Math.max(now, 0)].querySelector("a") || options[Math.max(now, 0)]).click();
    return;
  }
  event.preventDefault();
  const next = (now + (event.key === "ArrowDown" ? 1 : -1) + options.length) % options.length;
  options.forEach((option, index) => option.setAttribute("aria-selected", index === next ? "true" : "false"));
  document.getElementById("search-input").setAttribute("aria-activedescendant", options[next].id);
  options[next].scrollIntoView({ block: "nearest" });
});

// New results: the one that Enter opens is the one that is read out.
document.getElementById("search-results")?.addEventListener("htmx:afterSwap", (event) => {
  const marked = event.currentTarget.querySelector("[role=option][aria-selected=true]");
  const input = document.getElementById("search-input");
  if (marked) input.setAttribute("aria-activedescendant", marked.id);
  else input.removeAttribute("aria-activedescendant");
});

document.addEventListener("click", (event) => {
  const target = event.target;
  if (target.closest("[data-open-search]")) openSearch();
  if (target === search || target.closest("[data-close-dialog]")) target.closest("dialog")?.close();
  if (target.closest("[data-dismiss-toast]")) target.closest("[data-toast]").remove();
  if (target.closest("[data-print]")) window.print();
  if (target.closest("[data-toggle-theme]")) {
    const root = document.documentElement;
    root.dataset.bsTheme = root.dataset.bsTheme === "dark" ? "light" : "dark";
    localStorage.setItem("cadence-theme", root.dataset.bsTheme);
  }
});

// A side sheet: anything with data-sheet loads its address into #sheet and keeps the page visible. Its href works alone too.
const sheet = document.getElementById("sheet");
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-sheet]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const address = link.getAttribute("href") ?? link.getAttribute("xlink:href"); // a bar of Today is a link in an SVG
  htmx.ajax("GET", address, { target: "#sheet-body", swap: "innerHTML" }).then(() => {
    if (!sheet.open) sheet.showModal();
    (sheet.querySelector("[autofocus]") || sheet.querySelector("input:not([type=hidden]), select, textarea, button"))?.focus();
  });
});
document.body.addEventListener("close-sheet", () => sheet?.close());

// Notices: an answer may carry {"notice": {"level": "success", "text": "..."}} in its HX-Trigger header.
document.body.addEventListener("notice", (event) => notice(event.detail.text, event.detail.level || "success"));

function notice(text, level) {
  const box = document.createElement("div");
  box.className = `notice notice-${level}`;
  box.dataset.toast = "";
  const words = document.createElement("div");
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn-close";
  close.dataset.dismissToast = "";
  close.setAttribute("aria-label", "Dismiss");
  box.append(words, close);
  document.getElementById("toasts").append(box);
  if (level === "success") setTimeout(() => box.remove(), 8000);
}

// A notice with a way back; it stays until it is used or dismissed.
function noticeWithUndo(text, undo) {
  notice(text, "info");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "btn btn-sm";
  button.textContent = "Undo";
  button.addEventListener("click", () => { button.closest("[data-toast]").remove(); undo(); });
  document.querySelector("#toasts .notice:last-child .btn-close").before(button);
}

document.body.addEventListener("htmx:responseError", (event) => {
  const { status, responseText } = event.detail.xhr;
  const isSaid = status === 503 && event.detail.xhr.getResponseHeader("Content-Type")?.startsWith("text/plain");
  const elsewhere = event.detail.xhr.getResponseHeader("X-Cadence-Elsewhere");
  notice(
    elsewhere ? elsewhere :
    isSaid ? responseText :
    status === 403 ? "Your role does not include this, or you were signed out. Load the page again." :
    status === 404 ? "This no longer exists. Load the page again." :
    status === 503 ? "The records cannot be reached just now. What you did last was most likely not saved: wait a minute, look, and do it again." :
    "Something went wrong on the server. Nothing was half-saved; load the page again and check.", "error");
});
document.body.addEventListener("htmx:sendError", () => notice("The server cannot be reached. Nothing was saved.", "error"));

// A form that was sent once is not sent twice by a double click.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  form.querySelectorAll("button[type=submit]").forEach((button) => button.setAttribute("aria-disabled", "true"));
});
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => {
  delete form.dataset.sent;
  form.querySelectorAll("[aria-disabled]").forEach((button) => button.removeAttribute("aria-disabled"));
}));

// A tab that was open before this device was handed to a patient shows nothing any more, nor does Back to such a page.
const HANDED_OVER = "cadence-handed-over";
if (document.querySelector(".shell")) localStorage.removeItem(HANDED_OVER); // the server showed this page: it was taken back
window.addEventListener("storage", (event) => { if (event.key === HANDED_OVER && event.newValue) location.replace("/"); });
window.addEventListener("pageshow", (event) => { if (event.persisted && localStorage.getItem(HANDED_OVER)) location.replace("/"); });

// Selects and checkboxes marked data-autosubmit send their form at once (filters); without JavaScript a button does.
document.addEventListener("change", (event) => event.target.closest("[data-autosubmit]")?.form?.requestSubmit());
