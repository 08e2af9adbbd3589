// The slot finder by keyboard: 1 to 5 choose a time, Enter books it, a letter does what its key says.
// From a request or a patient "b" opens the finder. Without this file radio buttons and links do the same.
"use strict";

const TEXT_FIELDS = "textarea, select, [contenteditable], input:not([type=radio]):not([type=checkbox])";
const PRESSED_BY_ENTER = "a, button, summary, textarea, select, input:not([type=radio]):not([type=checkbox])";

function slotsPart() {
  const sheet = document.getElementById("sheet");
  return sheet?.open ? sheet.querySelector("[data-slots]") : document.querySelector("main [data-slots]");
}

function slotsOpener() {
  const sheet = document.getElementById("sheet");
  return sheet?.open ? sheet.querySelector("[data-book-slots]") : document.querySelector("main [data-book-slots]");
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest(TEXT_FIELDS) || document.querySelector("dialog[open]:not(#sheet)")) return;
  const part = slotsPart();
  if (!part) {
    const opener = event.key === "b" && slotsOpener();
    if (opener) { event.preventDefault(); opener.click(); }
    return;
  }
  if (event.repeat) return; // a key that is held down is one wish
  if (/^[1-9]$/.test(event.key)) {
    const choice = part.querySelector(`[data-slot="${event.key}"]`);
    if (choice) { event.preventDefault(); choice.checked = true; choice.focus(); }
  } else if (event.key === "Enter" && !event.target.closest(PRESSED_BY_ENTER)) {
    const form = part.querySelector(".slots-form");
    if (form) { event.preventDefault(); form.requestSubmit(); }
  } else if (/^[a-z]$/.test(event.key)) {
    const wanted = part.querySelector(`[data-slots-key="${event.key}"]`);
    if (!wanted) return;
    event.preventDefault();
    if (wanted.matches("select, input[type=date]")) wanted.focus();
    else wanted.click();
  }
});
