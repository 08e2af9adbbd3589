// Draws the charts of a report (ECharts, as SVG). The numbers come from the page, the table beneath says the same.
// Each .report-chart has its facts in the element named after it: "chart-durability" and "chart-durability-facts".
"use strict";

const [WEEKS_2, WEEKS_4] = [14, 28];

function colours() {
  const style = getComputedStyle(document.querySelector(".report"));
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    ink: read("--ink"), soft: read("--ink-soft"), line: read("--line"), surface: read("--surface"), accent: read("--accent"),
    series: [1, 2, 3, 4, 5, 6, 7].map((n) => read(`--series-${n}`)),
    ordered: { mild: read("--mild"), moderate: read("--moderate"), severe: read("--severe") }, // from pale to dark, as they get worse
  };
}

const percent = (value) => `${(Math.round(value * 10) / 10).toFixed(1)} %`;
const said = (value, unit) => (value === null ? "–" : unit === "%" ? percent(value) : [value, unit].filter(Boolean).join(" "));

function note(title, lines) {
  const box = document.createElement("div");
  const head = document.createElement("strong");
  head.textContent = title;
  box.append(head, ...lines.map((line) => { const row = document.createElement("div"); row.textContent = line; return row; }));
  return box;
}

function shared(c, facts) {
  return {
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    tooltip: { trigger: "axis", confine: true, backgroundColor: c.surface, borderColor: c.line, textStyle: { color: c.ink }, axisPointer: { lineStyle: { color: c.soft } } },
    aria: { enabled: true, label: { description: facts.title } },
  };
}

const axis = (c, name, more = {}) => ({ name, nameLocation: "middle", nameTextStyle: { color: c.soft, fontSize: 12 }, axisLine: { lineStyle: { color: c.line } }, axisTick: { show: false }, axisLabel: { color: c.soft, fontSize: 12, hideOverlap: true }, splitLine: { lineStyle: { color: c.line } }, ...more });

// The band as one shape in steps: along its upper edge to the last day, and back along the lower one.
function outline(rows, last) {
  const edge = (at) => rows.flatMap((row, index) => {
    const until = rows[index + 1]?.[0] ?? last;
    return [[row[0], row[at]], [until, row[at]]];
  });
  return [...edge(3), ...edge(2).reverse()];
}

// A curve in steps with its band; under the axis how many are still followed.
function survival(facts, c, box) {
  const rows = facts.rows;
  const last = rows.length ? rows[rows.length - 1][0] : 0;
  const narrow = box.clientWidth < 700;
  const every = last <= 3 * WEEKS_4 && !narrow ? WEEKS_2 : last > 8 * WEEKS_4 && narrow ? 2 * WEEKS_4 : WEEKS_4;
  const atRisk = (day) => (rows.find((row) => row[0] >= day) ?? [0, 0, 0, 0, 0])[4];
  const on = (day) => rows.filter((row) => row[0] <= day).at(-1);
  const points = (at) => rows.filter((row) => row[at] !== null).map((row) => [row[0], row[at]]);
  const band = rows.filter((row) => row[2] !== null && row[3] !== null);
  const step = { type: "line", step: "end", symbol: "none", emphasis: { disabled: true } };
  return {
    ...shared(c, facts),
    grid: { left: 64, right: 20, top: 16, bottom: 84 },
    tooltip: { ...shared(c, facts).tooltip, formatter: (hits) => {
      const row = on(hits[0].axisValue);
      return row ? note(`Day ${Math.round(hits[0].axisValue)}`, [`${percent(row[1])} still responding`, row[2] === null || row[3] === null ? "" : `95 % interval ${percent(row[2])} to ${percent(row[3])}`, `${atRisk(Math.round(hits[0].axisValue))} followed until then`].filter(Boolean)) : "";
    } },
    xAxis: axis(c, facts.x, { type: "value", min: 0, max: Math.max(last, every), interval: every, nameGap: 56, splitLine: { show: false },
      axisLabel: { color: c.soft, fontSize: 12, lineHeight: 18, showMaxLabel: false, formatter: (day) => `${day}\n${atRisk(day)}` } }),
    yAxis: axis(c, "", { type: "value", min: 0, max: 100, interval: 25, axisLabel: { color: c.soft, formatter: "{value} %" } }),
    graphic: [{ type: "text", left: 4, bottom: 46, silent: true, style: { text: "followed", fill: c.soft, fontSize: 12, fontFamily: getComputedStyle(document.body).fontFamily } }, { type: "text", left: 4, bottom: 64, silent: true, style: { text: "day", fill: c.soft, fontSize: 12, fontFamily: getComputedStyle(document.body).fontFamily } }],
    series: [
      { type: "custom", name: "95 % interval", silent: true, data: [[0, 0]], tooltip: { show: false }, renderItem: (_, api) => ({
        type: "polygon", shape: { points: outline(band, last).map((point) => api.coord(point)) }, style: { fill: c.accent, opacity: 0.16 } }) },
      { ...step, name: facts.y, data: points(1), lineStyle: { color: c.accent, width: 2.5 }, itemStyle: { color: c.accent },
        markLine: { silent: true, symbol: "none", lineStyle: { color: c.soft, type: "dashed", width: 1 }, label: { show: false }, data: [{ yAxis: 50 }] } },
    ],
  };
}

// Lines or stacked bars over the first column. Each line has a symbol of its own: colour is never alone.
function columns(facts, c, box) {
  const names = facts.rows.map((row) => String(row[0]));
  const isStack = facts.drawing === "stack";
  const symbols = ["circle", "rect", "triangle", "diamond", "roundRect", "pin", "arrow"];
  const unit = facts.columns[1]?.unit ?? "";
  const legendPx = facts.columns.slice(1).reduce((sum, column) => sum + 48 + 7 * column.title.length, 0);
  return {
    ...shared(c, facts),
    grid: { left: 56, right: 16, top: 16 + 24 * Math.ceil(legendPx / Math.max(box.clientWidth, 1)), bottom: facts.x ? 56 : 32 },
    legend: { top: 0, left: 0, textStyle: { color: c.ink }, itemGap: 16 },
    tooltip: { ...shared(c, facts).tooltip, axisPointer: { type: isStack ? "shadow" : "line" }, formatter: (hits) => note(hits[0].name, hits.map((hit) => `${hit.seriesName}: ${said(hit.value, facts.columns[hit.seriesIndex + 1].unit)}`)) },
    xAxis: axis(c, facts.x, { type: "category", data: names, nameGap: 34, splitLine: { show: false }, axisLabel: { color: c.soft, fontSize: 12, hideOverlap: true, width: box.clientWidth / Math.max(names.length, 1), overflow: "break" } }),
    yAxis: axis(c, facts.y, { type: "value", minInterval: unit ? 0 : 1, nameGap: 40, axisLabel: { color: c.soft, formatter: unit === "%" ? "{value} %" : "{value}" } }),
    series: facts.columns.slice(1).map((column, index) => ({
      type: isStack ? "bar" : "line", name: column.title, stack: isStack ? "all" : undefined, barMaxWidth: 48, emphasis: { disabled: true },
      data: facts.rows.map((row) => (typeof row[index + 1] === "number" ? row[index + 1] : null)), symbol: symbols[index % symbols.length], symbolSize: 8,
      lineStyle: { width: 2, type: ["solid", "dashed", "dotted"][index % 3] },
      itemStyle: { color: c.ordered[column.key] ?? c.series[index % c.series.length], borderColor: isStack ? c.surface : undefined, borderWidth: isStack ? 1 : 0 },
    })),
  };
}

const DRAWN = { survival, line: columns, stack: columns };
const charts = new Map();

// The drawing has an element of its own without an id: htmx would copy the style of one with an id, which the policy forbids.
function draw(box) {
  const facts = JSON.parse(document.getElementById(`${box.id}-facts`).textContent);
  if (!charts.has(box)) {
    const inside = document.createElement("div");
    box.replaceChildren(inside);
    const chart = echarts.init(inside, null, { renderer: "svg" });
    charts.set(box, chart);
    new ResizeObserver(() => chart.resize()).observe(box);
  }
  charts.get(box).setOption(DRAWN[facts.drawing](facts, colours(), box), { notMerge: true });
}

function drawAll() {
  for (const [box, chart] of charts) {
    if (!box.isConnected) {
      chart.dispose();
      charts.delete(box);
    }
  }
  document.querySelectorAll(".report-chart").forEach(draw);
}

// What was folded open stays open when the filters swap the page; the two day fields follow the chosen period.
let open = [];
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id === "report-frame") open = [...event.detail.target.querySelectorAll(".report-filters details[open]")].map((one) => one.id);
});
document.addEventListener("htmx:afterSwap", () => {
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  drawAll();
});
// A period with two days is sent when a day is there.
document.addEventListener("change", (event) => {
  const field = event.target;
  if (!field.closest(".report-filters")) return;
  const days = field.name?.endsWith("period") && field.closest(".report-fields").querySelector(".report-days");
  if (days) days.classList.toggle("is-idle", field.value !== "days");
  if (field.type === "date") {
    const period = field.closest(".report-fields").querySelector("select[name$=period]");
    period.value = "days";
    field.closest(".report-days").classList.remove("is-idle");
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.querySelectorAll(".report-menu[open], .figure-about[open]").forEach((one) => { one.open = false; one.querySelector("summary").focus(); });
});
document.addEventListener("click", (event) => {
  document.querySelectorAll(".report-menu[open], .figure-about[open]").forEach((one) => { if (!one.contains(event.target)) one.open = false; });
});
new MutationObserver(drawAll).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
drawAll();
