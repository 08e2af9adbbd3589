// Draws the scores of a measure (ECharts, as SVG). The numbers come from the page, the table below says the same.
// Each .trend-chart has its facts in the element named after it: "trend" and "trend-facts".
"use strict";

const DAY = 24 * 60 * 60 * 1000;
const LANE = 30; // height of one line of what was done beside the infusions

// Times are clock times of the location: they are drawn as they are, whatever zone this device is in.
const at = (text) => Date.parse(text.length > 10 ? `${text}Z` : `${text}T12:00:00Z`);
// As the clinic says days: "Thu 7 Jan 2027".
function said(when, fields = { weekday: "short", day: "numeric", month: "short", year: "numeric" }) {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: "UTC", ...fields }).formatToParts(when);
  const of = (type) => parts.find((part) => part.type === type)?.value;
  return [of("weekday"), of("day"), of("month"), of("year")].filter(Boolean).join(" ");
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return { ink: read("--ink"), soft: read("--ink-soft"), line: read("--line"), surface: read("--surface"), sunken: read("--sunken"), accent: read("--accent"), danger: read("--danger") };
}

function note(title, lines) {
  const box = document.createElement("div");
  box.className = "trend-tip";
  const head = document.createElement("strong");
  head.textContent = title;
  box.append(head, ...lines.filter(Boolean).map((line) => { const row = document.createElement("div"); row.textContent = line; return row; }));
  return box;
}

function tip(facts, { point, mark, span, event }) {
  if (event) return note(event.label, [said(at(event.at))]);
  if (span) return note(span.name, [`${said(at(span.from))}${span.is_open ? ", goes on" : ` to ${said(at(span.to))}`}`]);
  if (!point) return note(mark.label, [said(at(mark.at))]);
  const title = `${facts.name} ${point.score}${point.band ? `, ${point.band.toLowerCase()}` : ""}`;
  return note(title, [said(at(point.at)), point.says, point.window, point.prorated && "prorated", point.danger && "danger signal"]);
}

// Times whose meaning was published, as pale areas behind the scores.
function ribbons(facts, c) {
  return {
    type: "line", name: "Published", data: [], silent: true,
    markArea: { silent: true, itemStyle: { color: c.accent, opacity: 0.1 }, label: { show: true, position: "insideTop", color: c.soft, fontSize: 11 },
      data: facts.ribbons.map((one) => [{ name: one.name, xAxis: at(one.from) }, { xAxis: at(one.to) }]) },
  };
}

// What happened besides, such as an admission: a line through the scores with its name.
function happened(events, c) {
  return {
    type: "line", name: "Events", data: [],
    markLine: {
      symbol: "none", lineStyle: { color: c.danger, width: 2, type: "solid" }, emphasis: { disabled: true },
      label: { show: true, position: "insideEndTop", formatter: (hit) => hit.data.event.label, color: c.danger, fontSize: 11 },
      data: events.map((event) => ({ xAxis: at(event.at), event })),
    },
  };
}

// What was done beside the infusions, one line each, under the scores.
function beside(facts, c) {
  return facts.spans.map((span, lane) => ({
    type: "line", name: span.name, xAxisIndex: 1, yAxisIndex: 1, showSymbol: true, symbol: "roundRect", symbolSize: 6, itemStyle: { color: c.soft },
    lineStyle: { color: c.soft, width: 4, opacity: 0.55, cap: span.is_open ? "butt" : "round" }, emphasis: { disabled: true },
    data: [span.from, span.to].map((when) => ({ value: [at(when), lane], span })),
  }));
}

function options(box, facts) {
  const c = colours();
  const [spans, areas, events] = [facts.spans ?? [], facts.ribbons ?? [], facts.events ?? []];
  const times = facts.points.map((point) => at(point.at)).concat(facts.marks.map((mark) => at(mark.at)), areas.map((one) => at(one.to)), events.map((one) => at(one.at)));
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const margin = Math.max((last - first) * 0.04, 2 * DAY);
  const label = { color: c.soft, fontSize: 12 };
  const across = { type: "time", min: first - margin, max: last + margin };
  const lines = facts.lines.map((line) => ({ yAxis: line.at, label: { show: true, formatter: line.short ?? `cut ${line.at}`, position: "insideStartTop" } }));
  if (facts.remission !== null) lines.push({ yAxis: facts.remission, label: { show: true, formatter: `remission ≤ ${facts.remission}`, position: "insideStartTop" } });
  const below = spans.length ? spans.length * LANE + 12 : 0;
  return {
    useUTC: true,
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: [{ left: 36, right: 12, top: 28, bottom: 28 + below }, ...(below ? [{ left: 36, right: 12, bottom: 4, height: below - 12 }] : [])],
    tooltip: { trigger: "item", backgroundColor: c.surface, borderColor: c.line, textStyle: { color: c.ink }, formatter: (hit) => hit.data.point || hit.data.mark || hit.data.span || hit.data.event ? tip(facts, hit.data) : "" },
    xAxis: [
      { ...across, axisLine: { lineStyle: { color: c.line } }, axisTick: { show: false }, splitLine: { show: false }, minInterval: DAY,
        axisLabel: { ...label, hideOverlap: true, formatter: (value) => said(value, { day: "numeric", month: "short" }) } },
      ...(below ? [{ ...across, gridIndex: 1, show: false }] : []),
    ],
    yAxis: [
      { type: "value", min: facts.low, max: facts.high, axisLabel: { ...label, showMaxLabel: facts.high % 10 === 0 || facts.high < 10 }, splitLine: { show: !facts.bands.length, lineStyle: { color: c.line } } },
      ...(below ? [{ type: "category", gridIndex: 1, inverse: true, data: spans.map((span) => span.name), axisLine: { show: false }, axisTick: { show: false },
        axisLabel: { inside: true, color: c.soft, fontSize: 11, verticalAlign: "bottom", padding: [0, 0, 5, 0], margin: 4 } }] : []),
    ],
    series: [
      {
        type: "line", name: facts.name, symbolSize: 10, lineStyle: { color: c.accent, width: 2 }, emphasis: { disabled: true },
        data: facts.points.map((point) => ({
          value: [at(point.at), point.score], point,
          symbol: point.danger ? "triangle" : "circle", symbolSize: point.danger ? 14 : 10,
          itemStyle: point.danger ? { color: c.danger } : { color: point.window ? c.surface : c.accent, borderColor: c.accent, borderWidth: 2 },
        })),
        markArea: {
          silent: true,
          label: { show: box.clientWidth > 480, color: c.soft, fontSize: 11, position: "insideRight" }, // the legend names them too
          data: facts.bands.map((band, index) => [
            { name: band.name, yAxis: index ? band.low - 0.5 : band.low, itemStyle: { color: c.sunken, opacity: index % 2 ? 1 : 0.35 } },
            { yAxis: index === facts.bands.length - 1 ? band.high : band.high + 0.5 },
          ]),
        },
        markLine: { silent: true, symbol: "none", lineStyle: { color: c.soft, type: "dashed", width: 1 }, label: { show: false, color: c.soft, fontSize: 11 }, data: lines },
      },
      {
        type: "line", name: "Infusions", data: [],
        markLine: {
          symbol: "none", lineStyle: { color: c.soft, width: 1, type: [2, 3], opacity: 0.8 }, emphasis: { disabled: true },
          label: { show: true, position: "end", formatter: (hit) => hit.data.mark.short, color: c.soft, fontSize: 11, distance: 2 },
          data: facts.marks.map((mark) => ({ xAxis: at(mark.at), mark })),
        },
      },
      ...(areas.length ? [ribbons(facts, c)] : []),
      ...(events.length ? [happened(events, c)] : []),
      ...beside({ spans }, c),
    ],
  };
}

function show(box) {
  const facts = JSON.parse(document.getElementById(`${box.id}-facts`).textContent);
  box.replaceChildren(); // what stands there for those without JavaScript
  const chart = echarts.init(box, null, { renderer: "svg" });
  const draw = () => chart.setOption(options(box, facts), { notMerge: true });
  draw();
  new ResizeObserver(() => chart.resize()).observe(box);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-bs-theme"] });
}

document.querySelectorAll(".trend-chart").forEach(show);
