// The intake board: arrow keys between cards, news read out, a sheet for what came back refused, a way back from "closed".
"use strict";

// What changed by itself is said once, and only when it changed.
const news = document.getElementById("board-news");
let lastWords = document.getElementById("board")?.dataset.words;
document.body.addEventListener("htmx:afterSettle", (event) => {
  const words = document.getElementById("board")?.dataset.words;
  if (news && words && words !== lastWords) news.textContent = words;
  lastWords = words;
  // A card's own button was refused: the reason is in the sheet. (A link of the board opens the sheet by itself.)
  const box = event.target.closest?.("#sheet-body");
  const closed = box && box.closest("dialog:not([open])");
  if (closed && box.querySelector("[role=alert]")) closed.showModal();
});

// Closed in one click, and taken back in one. Where somebody acted on it meanwhile, the sheet opens and says so.
document.body.addEventListener("request-closed", (event) => {
  const { text, url, version } = event.detail;
  noticeWithUndo(text, () => htmx.ajax("POST", url, { values: { version }, target: "#sheet-body" }));
});

// Arrow keys: up and down in a column, left and right to the first card of the neighbouring one.
document.addEventListener("keydown", (event) => {
  const here = event.target.closest("[data-card]");
  if (!here || !["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"].includes(event.key)) return;
  event.preventDefault();
  const columns = [...document.querySelectorAll(".board-column")].map((column) => [...column.querySelectorAll("[data-card]")]);
  const across = columns.findIndex((cards) => cards.includes(here));
  const down = columns[across].indexOf(here);
  let target;
  if (event.key === "ArrowUp") target = columns[across][down - 1];
  if (event.key === "ArrowDown") target = columns[across][down + 1];
  if (event.key === "ArrowLeft") target = columns.slice(0, across).reverse().find((cards) => cards.length)?.at(0);
  if (event.key === "ArrowRight") target = columns.slice(across + 1).find((cards) => cards.length)?.at(0);
  target?.focus();
});
