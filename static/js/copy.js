// A button with data-copy copies the value of the field that it names; where the clipboard is closed it selects it.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.querySelector(button.dataset.copy);
  field.select();
  const words = button.querySelector("span") || button;
  try {
    await navigator.clipboard.writeText(field.value);
    words.textContent = "Copied";
  } catch {
    words.textContent = "Press Ctrl-C";
  }
});
