// The day calendar: the server's list becomes a grid with a column per chair and person; dragging asks the judge first.
"use strict";

// Keys: links marked data-key follow their key, unless somebody is typing or a dialog is open.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select") || document.querySelector("dialog[open]")) return;
  const link = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (link) { event.preventDefault(); link.click(); }
});

const source = document.getElementById("calendar-data");
const box = document.getElementById("calendar");

function drawDay(data) {
  if (!data.resources.length) return;
  box.hidden = false;
  document.getElementById("calendar-list").classList.add("print-only");
  const [from, to] = data.hours;
  const columns = new Map(data.resources.map((resource) => [resource.id, resource.extendedProps.name]));
  EventCalendar.create(box, {
    view: "resourceTimeGridDay",
    date: data.day,
    headerToolbar: { start: "", center: "", end: "" },
    allDaySlot: false,
    slotMinTime: from,
    slotMaxTime: to,
    slotDuration: "00:30",
    snapDuration: { minutes: data.step },
    slotHeight: 38,
    columnWidth: "minmax(5.25rem, 1fr)",
    nowIndicator: false,
    slotEventOverlap: false,
    slotLabelFormat: (time) => clock(time),
    resources: data.resources,
    events: data.events,
    eventStartEditable: false, // each event says for itself whether it can be dragged
    eventDurationEditable: false,
    eventContent: (info) => ({ domNodes: info.event.display === "background" ? [] : [face(info.event, columns)] }),
    eventClassNames: (info) => info.event.display === "background" ? ["shade"] : [`visit-${info.event.extendedProps.kind}`, `is-${info.event.extendedProps.status}`, ...(info.event.extendedProps.isPencilled ? ["is-pencilled"] : [])],
    resourceLabelContent: (info) => ({ domNodes: [label(info.resource)] }),
    eventDidMount: (info) => info.event.display === "background" && shade(info.el, info.event.extendedProps),
    eventDragStop: () => { draggedAt = Date.now(); },
    eventDrop: (info) => dropped(info),
    dateClick: (info) => data.new_url && openSheet(newUrl(data, info)),
  });
  plainRoles(data);
  nowLine(data, from, to);
}

const pad = (number) => String(number).padStart(2, "0");
const clock = (date) => `${pad(date.getHours())}:${pad(date.getMinutes())}`;

// A visit is a link to its sheet; the click that ends a drag does not follow it.
let draggedAt = 0;
function face(event, columns) {
  const props = event.extendedProps;
  const node = document.createElement("a");
  node.href = props.sheet;
  node.id = `event-${event.id}`;
  node.draggable = false;
  node.addEventListener("click", (pressed) => {
    if (pressed.ctrlKey || pressed.metaKey || pressed.shiftKey) return;
    pressed.preventDefault();
    if (Date.now() - draggedAt > 300) openSheet(props.sheet);
  });
  node.className = `visit-face${props.isShort ? " is-short" : ""}`;
  for (const [stage, share] of props.pieces) {
    const piece = document.createElement("span");
    piece.className = `piece piece-${stage}`;
    piece.style.flexBasis = `${share}%`;
    node.append(piece);
  }
  node.title = [props.who, props.what, props.time, props.state].filter(Boolean).join(" · ");
  const words = document.createElement("div");
  words.className = "visit-words";
  const lines = props.isShort
    ? [["visit-name", props.short]]
    : [["visit-name", props.short], ["visit-what", props.from], ["visit-mark", props.mark], ["visit-state", props.state]];
  for (const [name, text] of lines) {
    if (!text) continue;
    const line = document.createElement("span");
    line.className = name;
    line.textContent = text;
    words.append(line, " ");
  }
  // The name begins with what can be seen, so that it can also be spoken to a program that listens.
  const seen = lines.map(([, text]) => text).filter(Boolean).join(" ");
  node.setAttribute("aria-label", [seen, props.who, props.what, props.time, props.isShort && props.state, columns.get(Number(event.resourceIds[0]))].filter(Boolean).join(", "));
  node.append(words);
  return node;
}

function label(resource) {
  const node = document.createElement("span");
  node.className = `column-${resource.extendedProps.kind}`;
  node.textContent = resource.title;
  node.title = resource.extendedProps.name;
  return node;
}

function shade(element, props) {
  element.setAttribute("aria-hidden", "true");
  if (props.why) element.dataset.why = props.why;
}

// The library calls the grid a table whose cells are empty, with the visits beside them. It is a group of links, each of
// which says its column; the part that scrolls can be scrolled with the keyboard.
function plainRoles(data) {
  box.querySelectorAll("[role]").forEach((node) => node.removeAttribute("role"));
  box.querySelectorAll("[aria-colindex]").forEach((node) => node.removeAttribute("aria-colindex"));
  const main = box.querySelector(".ec-main");
  main.tabIndex = 0;
  main.setAttribute("role", "group");
  main.setAttribute("aria-label", `Visits in ${data.resources.length} columns`);
}

function openSheet(url) {
  const dialog = document.getElementById("sheet");
  htmx.ajax("GET", url, { target: "#sheet-body", swap: "innerHTML" }).then(() => {
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("[autofocus]")?.focus();
  });
}

function local(date) {
  return { day: `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`, start: clock(date) };
}

function newUrl(data, info) {
  const address = new URLSearchParams(local(info.date));
  if (info.resource) address.set(info.resource.extendedProps.kind === "person" ? "clinician" : "station", info.resource.id);
  return `${data.new_url}?${address}`;
}

// A drop is a question first: the booking stays where it was until the server has agreed.
async function dropped(info) {
  const props = info.event.extendedProps;
  const wish = { ...local(info.event.start), version: props.version };
  if (info.newResource) Object.assign(wish, { from: info.oldResource.id, to: info.newResource.id });
  info.revert();
  let answer = await send(props.move, wish);
  if (answer?.ask) {
    if (!(await agreed(`Move ${props.who} all the same?`, answer.ask))) return;
    answer = await send(props.move, { ...wish, anyway: answer.anyway });
  }
  if (!answer) return;
  if (answer.sheet) return openSheet(answer.sheet);
  if (answer.problem) return notice(answer.problem, "error");
  if (answer.ask) return notice(answer.ask.join(" "), "error");
  sessionStorage.setItem("calendar-undo", JSON.stringify({ url: props.move, text: answer.done, undo: answer.undo }));
  location.reload();
}

// A question that has to be answered before anything is saved.
function agreed(question, reasons) {
  const dialog = document.createElement("dialog");
  dialog.className = "ask";
  dialog.setAttribute("aria-labelledby", "ask-title");
  const title = document.createElement("h2");
  title.id = "ask-title";
  title.textContent = question;
  const acts = document.createElement("div");
  acts.className = "ask-acts";
  const button = (words, css, value) => {
    const one = document.createElement("button");
    one.type = "button";
    one.className = `btn ${css}`;
    one.textContent = words;
    one.addEventListener("click", () => dialog.close(value));
    return one;
  };
  acts.append(button("Move it", "btn-primary", "yes"), button("Leave it", "", ""));
  dialog.append(title, ...reasons.map((reason) => Object.assign(document.createElement("p"), { textContent: reason })), acts);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => { dialog.remove(); answer(dialog.returnValue === "yes"); }, { once: true }));
}

async function send(url, fields) {
  const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
  try {
    const answer = await fetch(url, { method: "POST", headers: { "X-CSRFToken": token }, body: new URLSearchParams(fields) });
    return await answer.json();
  } catch {
    notice("The server could not be reached or refused. Nothing was moved.", "error");
    return null;
  }
}

// After a move the page is read anew; the notice with Undo waits for it.
const waiting = sessionStorage.getItem("calendar-undo");
if (waiting) {
  sessionStorage.removeItem("calendar-undo");
  const { url, text, undo } = JSON.parse(waiting);
  if (!undo) notice(text, "success");
  else noticeWithUndo(text, async () => {
    const answer = await send(url, undo);
    if (answer?.problem) notice(answer.problem, "error");
    else if (answer) location.reload();
  });
}

// The line of the present runs by the location's clocks, whatever zone the browser is in.
function nowLine(data, from, to) {
  const [day, start] = data.now.split("T");
  const days = [...box.querySelectorAll(".ec-body .ec-day")];
  if (day !== data.day || !days.length) return;
  const inMinutes = (text) => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));
  const loaded = performance.now();
  const line = document.createElement("div");
  line.className = "now-line";
  line.setAttribute("aria-hidden", "true");
  const main = box.querySelector(".ec-main");
  main.append(line);
  const place = () => {
    const share = (inMinutes(start) + (performance.now() - loaded) / 60_000 - inMinutes(from)) / (inMinutes(to) - inMinutes(from));
    line.hidden = share < 0 || share > 1;
    const [first, last] = [days[0].getBoundingClientRect(), days.at(-1).getBoundingClientRect()];
    const outer = main.getBoundingClientRect();
    line.style.top = `${first.top - outer.top + main.scrollTop + share * first.height}px`;
    line.style.left = `${first.left - outer.left + main.scrollLeft}px`;
    line.style.width = `${last.right - first.left}px`;
    return share;
  };
  const share = place();
  setInterval(place, 30_000);
  const sizes = new ResizeObserver(place); // heads wrap and columns grow after the first drawing
  for (const one of [main, days[0], box.querySelector(".ec-header")]) if (one) sizes.observe(one);
  if (share > 0 && share < 1) main.scrollTop = Math.max(0, days[0].offsetTop + share * days[0].offsetHeight - main.clientHeight / 3);
}

if (source && box && window.EventCalendar && matchMedia("(min-width: 700px)").matches) drawDay(JSON.parse(source.textContent));
