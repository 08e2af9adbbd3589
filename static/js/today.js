// Today refreshes itself: without moving what somebody is using, and without talking more than it has to.
"use strict";

(() => {
  const board = document.getElementById("board");
  const news = document.getElementById("board-news");
  if (!board || !news) return;
  const SETTLE_MS = 700; // a second click of a double click must not land on the button that has just appeared
  const MANY = 3;
  let settledAt = 0;
  let before = new Map();

  const states = () => new Map([...board.querySelectorAll("[data-visit]")].map((row) => [row.dataset.visit, row.dataset]));
  const needs = () => new Set([...board.querySelectorAll("[data-need]")].map((row) => row.dataset.need));
  let needed = needs();

  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target !== board) return;
    const onlyClock = event.detail.xhr.getResponseHeader("X-Board-Only-Clock");
    if (onlyClock && board.contains(document.activeElement)) event.detail.shouldSwap = false;
    before = states();
    needed = needs();
  });

  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== board) return;
    if (event.detail.requestConfig?.verb === "post") {
      settledAt = Date.now() + SETTLE_MS;
      keepFocus(event.detail.requestConfig.elt);
    }
    say();
  });

  // The button that was pressed is gone when its step is taken: focus goes to what its row offers next.
  function keepFocus(form) {
    if (document.activeElement && document.activeElement !== document.body) return;
    const id = form.querySelector("button[id]")?.id.split("-").pop();
    const row = board.querySelector(`[data-visit="${id}"]`);
    (row?.querySelector(".step:last-child button") || row?.querySelector("a[id]") || document.getElementById("tab-"))?.focus();
  }

  function say() {
    const lines = [];
    for (const [id, now] of states()) {
      const was = before.get(id);
      if (!was) lines.push(`${now.who}: new on the list`);
      else if (was.state !== now.state) lines.push(`${now.who}: ${now.state}`);
    }
    const more = [...needs()].filter((need) => !needed.has(need)).length;
    if (lines.length > MANY) lines.splice(0, lines.length, `${lines.length} visits changed`);
    if (more) lines.push(`${more} more ${more === 1 ? "thing needs" : "things need"} you`);
    if (lines.length) news.textContent = lines.join(". ");
  }

  document.addEventListener("submit", (event) => {
    if (!event.target.closest("#board .step") || Date.now() >= settledAt) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
})();
