// The words of a message: a button puts a placeholder where the cursor was; a chosen patient closes the list of found ones.
"use strict";

const lastField = new Map(); // language -> the field that was left last

document.addEventListener("focusout", (event) => {
  const words = event.target.closest("[data-words]");
  if (words && event.target.matches("textarea, input[type=text]")) lastField.set(words, event.target);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-insert]");
  if (button) insert(button);
});

function insert(button) {
  const words = button.closest("[data-words]");
  const sms = words.querySelector("textarea[name$=sms_text]");
  const field = button.dataset.into === "sms" ? sms : lastField.get(words) || sms;
  const isEnd = button.dataset.into === "sms" || !lastField.has(words);
  const [from, to] = isEnd ? [field.value.length, field.value.length] : [field.selectionStart, field.selectionEnd];
  const before = field.value.slice(0, from);
  const gap = isEnd && before && !/\s$/.test(before) ? " " : "";
  field.focus();
  field.setRangeText(gap + button.dataset.insert, from, to, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

document.body.addEventListener("htmx:afterRequest", (event) => {
  const clears = event.detail.elt.dataset?.clears;
  if (clears && event.detail.successful) document.querySelector(clears).replaceChildren();
});
