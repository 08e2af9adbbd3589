// Typing in a questionnaire: the number of an answer chooses it and goes to the next item; what is missing is said.
// Without this file the page is a plain form with the same radio buttons.
"use strict";

const form = document.querySelector("[data-measure-form]");
const items = form ? [...form.querySelectorAll("[data-question]")] : [];

const radios = (item) => [...item.querySelectorAll("input[type=radio]")];
const chosen = (item) => radios(item).find((radio) => radio.checked);
const shown = () => items.filter((item) => !item.hidden);

function focusItem(item) {
  const target = chosen(item) || radios(item)[0];
  target?.focus();
  item.scrollIntoView({ block: "nearest" });
}

// An item that is asked only after a "yes": hidden, and empty, while the answer is "no".
function showOrHide() {
  for (const item of items.filter((one) => one.dataset.onlyAfter)) {
    const answer = form.querySelector(`input[name="${item.dataset.onlyAfter}"]:checked`);
    item.hidden = answer?.value === "0";
    if (item.hidden) radios(item).forEach((radio) => { radio.checked = false; });
  }
}

function sayState() {
  const state = form.querySelector("[data-measure-state]");
  const counted = shown().filter((item) => !("unscored" in item.dataset));
  const missing = counted.filter((item) => !chosen(item));
  items.forEach((item) => item.classList.toggle("is-missing", missing.includes(item) && missing.length < counted.length));
  if (!counted.length) { state.textContent = ""; return; }
  const numbers = missing.map((item) => item.dataset.question).join(", ");
  state.textContent = missing.length
    ? `${counted.length - missing.length} of ${counted.length} answered${missing.length <= 6 ? `. Missing: ${numbers}` : ""}`
    : `All ${counted.length} answered`;
}

function next(item, step) {
  const list = shown();
  return list[list.indexOf(item) + step];
}

form?.addEventListener("keydown", (event) => {
  const item = event.target.closest("[data-question]");
  if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^[0-9]$/.test(event.key)) {
    const wanted = radios(item).find((radio) => radio.value === event.key);
    if (!wanted) return;
    event.preventDefault();
    wanted.checked = true;
    wanted.dispatchEvent(new Event("change", { bubbles: true }));
    const following = next(item, 1);
    if (following) focusItem(following);
    else form.querySelector(".measure-bar .btn-primary").focus();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault(); // left and right still choose inside the group
    const other = next(item, event.key === "ArrowDown" ? 1 : -1);
    if (other) focusItem(other);
  }
});

form?.addEventListener("change", (event) => {
  if (!event.target.closest("[data-question]")) return;
  showOrHide();
  sayState();
});

form?.addEventListener("focusin", (event) => {
  const now = event.target.closest("[data-question]");
  items.forEach((item) => item.classList.toggle("is-now", item === now));
});

if (items.length) {
  showOrHide();
  sayState();
  focusItem(shown().find((item) => !chosen(item)) || items[0]);
}
