// On paper the whole of what to say is read, so what is folded on the screen is open while it is printed.
"use strict";

const folded = () => document.querySelectorAll(".call-prepare:not([open])");
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...folded()];
  opened.forEach((one) => { one.open = true; });
});
window.addEventListener("afterprint", () => opened.forEach((one) => { one.open = false; }));
