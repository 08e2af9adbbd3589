// Screening by keyboard: on a question Y, N and U answer it and go on to the next; Shift+N answers the rest of its group.
"use strict";

const ANSWER_OF = { y: "yes", n: "no", u: "" };

function chosen(question) {
  return question.querySelector("input[type=radio]:checked");
}

function choose(question, value) {
  const radio = [...question.querySelectorAll("input[type=radio]")].find((one) => one.value === value);
  if (!radio || radio.checked) return false;
  radio.checked = true;
  return true;
}

// What is still open in a group becomes "no", on the page first, so that everybody sees it; then it is saved as one.
function restIsNo(group) {
  const questions = [...group.querySelectorAll("[data-question]")].filter((one) => chosen(one)?.value === "");
  const changed = questions.map((one) => choose(one, "no"));
  if (changed.some(Boolean)) group.dispatchEvent(new Event("change", { bubbles: true }));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-rest-no]");
  if (!button) return;
  event.preventDefault();
  restIsNo(button.closest("[data-group]"));
});

document.addEventListener("keydown", (event) => {
  const question = event.target.closest("[data-question]");
  if (!question || event.target.type !== "radio" || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (!(key in ANSWER_OF)) return;
  event.preventDefault();
  if (event.shiftKey && key === "n") {
    restIsNo(question.closest("[data-group]"));
    return;
  }
  if (choose(question, ANSWER_OF[key])) question.dispatchEvent(new Event("change", { bubbles: true }));
  const all = [...document.querySelectorAll("[data-question]")];
  const next = all[all.indexOf(question) + 1];
  (next ? chosen(next) : chosen(question))?.focus();
});
