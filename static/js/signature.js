// A box to sign in. What is drawn is kept as strokes of points from 0 to 1000 in a hidden field; the server draws it again.
// Without this file the box stays hidden, and the typed name with its tick signs.
"use strict";

const SIDE = 1000;
const MOST_POINTS = 6000;
const MOST_STROKES = 100;
const STEP = 4; // points nearer than this to the last one add nothing to be seen

for (const box of document.querySelectorAll("[data-signature]")) start(box);

function start(box) {
  const canvas = box.querySelector("canvas");
  const field = document.getElementById(box.dataset.input);
  const state = box.querySelector("[data-pad-state]");
  const pen = canvas.getContext("2d");
  let strokes = read(field.value);
  let current = null;
  box.hidden = false;

  function point(event) {
    const frame = canvas.getBoundingClientRect();
    const within = (value) => Math.min(SIDE, Math.max(0, Math.round(value * SIDE)));
    return [within((event.clientX - frame.left) / frame.width), within((event.clientY - frame.top) / frame.height)];
  }

  function draw() {
    const frame = canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(frame.width * ratio));
    canvas.height = Math.max(1, Math.round(frame.height * ratio));
    pen.lineWidth = 2.5 * ratio;
    pen.lineCap = pen.lineJoin = "round";
    pen.strokeStyle = getComputedStyle(canvas).color;
    for (const stroke of strokes) line(stroke, 0);
  }

  function line(stroke, from) {
    const at = ([x, y]) => [(x / SIDE) * canvas.width, (y / SIDE) * canvas.height];
    pen.beginPath();
    pen.moveTo(...at(stroke[from]));
    for (const next of stroke.slice(from)) pen.lineTo(...at(next));
    pen.stroke();
  }

  function keep() {
    field.value = strokes.length ? JSON.stringify(strokes) : "";
    const said = strokes.length ? "Signed in the box" : "Nothing drawn yet";
    if (state.textContent !== said) state.textContent = said;
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || current || strokes.length >= MOST_STROKES) return;
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    current = [point(event)];
    strokes.push(current);
    line(current, 0);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!current) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) {
      const next = point(one);
      const last = current[current.length - 1];
      if (Math.hypot(next[0] - last[0], next[1] - last[1]) < STEP || strokes.flat().length >= MOST_POINTS) continue;
      current.push(next);
      line(current, current.length - 2);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => { current = null; keep(); });
  }
  box.querySelector("[data-pad-clear]").addEventListener("click", () => { strokes = []; current = null; keep(); draw(); });
  new ResizeObserver(draw).observe(canvas);
  keep();
  draw();
}

// What a refused page sends back: the strokes as they were.
function read(text) {
  try {
    const strokes = JSON.parse(text || "[]");
    return Array.isArray(strokes) ? strokes.filter((stroke) => Array.isArray(stroke) && stroke.length) : [];
  } catch { return []; }
}

// A double click does not sign twice (this page has none of the other scripts).
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; }));
