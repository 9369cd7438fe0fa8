"use strict";
const storms = JSON.parse(document.getElementById("figures").textContent);
const NS = "http://www.w3.org/2000/svg";
const FIRST = 40;
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function el(tag, text, cls) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (cls) made.className = cls;
  return made;
}
function mark(svg, tag, given, title) {
  const made = document.createElementNS(NS, tag);
  for (const name in given) made.setAttribute(name, given[name]);
  if (title) { const t = document.createElementNS(NS, "title"); t.textContent = title; made.appendChild(t); }
  svg.appendChild(made);
  return made;
}
const show = ms => ms >= 1000 ? (ms / 1000).toFixed(ms >= 10000 ? 1 : 2) + " s" : Math.round(ms) + " ms";
function seconds(value) {  // Retry-After as seconds; a date is left to its label
  const n = Number(value);
  return value !== null && Number.isFinite(n) ? n : null;
}

/* What a client that keeps the profile would have done with the same answers. */
function ghosts(storm, op) {
  const told = storm.profile, made = [];
  const attempts = op[7].filter(a => a[8] !== null);
  if (!attempts.length || !told.backoff || !told.max_attempts) return made;
  let begin = attempts[0][0];
  const end = told.deadline_ms === null ? Infinity : op[5] + told.deadline_ms;
  for (let n = 0; n < told.max_attempts && n < attempts.length + 1; n++) {
    const seen = attempts[Math.min(n, attempts.length - 1)];
    if (begin > end) break;
    const took = Math.min(Math.max((seen[1] ?? seen[0]) - seen[0], 2), told.read_timeout_ms ?? Infinity);
    made.push([begin, begin + took]);
    if (seen[3] !== null && seen[3] < 400 && seen[4]) break;
    if (seen[3] !== null && told.retry_on && !told.retry_on.includes(seen[3])) break;
    const wait = Math.min(told.backoff.cap_ms, told.backoff.base_ms * told.backoff.factor ** n);
    const after = seconds(seen[6]);
    if (after !== null && told.retry_after_max_ms !== null && after * 1000 > told.retry_after_max_ms) break;
    begin += took + Math.max(after === null ? 0 : after * 1000, wait * (told.backoff.jitter === "full" ? .5 : 1));
  }
  return made;
}

function lane(storm, op, span) {
  const row = el("div", null, "lane"), who = el("div", null, "who");
  if (op[9].length) who.append(el("b", op[9].join(" ") + " "));
  who.append(`${op[1]} ${op[0]}`);
  const svg = document.createElementNS(NS, "svg");
  svg.setAttribute("viewBox", "0 0 1000 34"); svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const lines = [`${op[1]} ${op[0]}: ${op[3] ?? "never ended"}${op[4] ? ", " + op[4] : ""}, ${op[8]} effects`];
  const zero = op[5], x = ms => Math.max(0, (ms - zero) / span * 1000);
  mark(svg, "line", {x1: 0, x2: x(op[6]), y1: 12, y2: 12, stroke: css("--line"), "stroke-width": 2});
  op[7].forEach((a, i) => {
    const end = a[1] ?? op[6], after = seconds(a[6]);
    if (after !== null) mark(svg, "rect", {x: x(end), y: 1, width: Math.max(1, Math.min(1000, after * 1000 / span * 1000)), height: 22,
      fill: css("--zone"), opacity: .7}, `Retry-After: ${a[6]}`);
    const cut = a[3] === null || a[5] || !a[4];
    const colour = a[3] !== null && a[3] < 400 && !cut ? "--ok" : cut ? "--bad" : "--open";
    const text = `attempt ${i + 1} at ${show(a[0] - zero)}: ${a[2]}, ${a[3] === null ? "no answer" : "answered " + a[3]}`
      + `${a[5] ? ", closed by " + a[5] : ""}${a[6] ? ", Retry-After " + a[6] : ""}${a[7] ? ", key " + a[7] : ""}`;
    lines.push(text);
    mark(svg, "rect", {x: x(a[0]), y: 5, width: Math.max(3, x(end) - x(a[0])), height: 14, rx: 2, fill: css(colour)}, text);
  });
  for (const [from, to] of ghosts(storm, op))
    mark(svg, "rect", {x: x(from), y: 24, width: Math.max(3, x(to) - x(from)), height: 8, fill: "none", stroke: css("--ghost"),
      "stroke-dasharray": "3 2"}, "a client that keeps the profile");
  if (storm.profile.deadline_ms !== null && storm.profile.deadline_ms <= span)
    mark(svg, "line", {x1: x(zero + storm.profile.deadline_ms), x2: x(zero + storm.profile.deadline_ms), y1: 0, y2: 34, stroke: css("--blue"),
      "stroke-width": 2}, "deadline");
  svg.setAttribute("aria-label", lines.join("; "));
  row.append(who, svg);
  return row;
}

function axis(span) {
  const row = el("div", null, "lane"), marks = el("div", null, "axis dim");
  for (let i = 0; i <= 4; i++) marks.append(el("span", show(span * i / 4)));
  row.append(el("div", "since the call", "who dim"), marks);
  return row;
}

function histogram(name, values, declared) {
  const box = el("figure"), svg = document.createElementNS(NS, "svg"), N = 24;
  const n = Number((name.match(/\d+/) || [1])[0]), b = declared.backoff;
  const wait = b ? Math.min(b.cap_ms, b.base_ms * b.factor ** (n - 1)) : 0;
  const top = Math.max(...values, wait * 1.1, 1), bins = new Array(N).fill(0);
  for (const v of values) bins[Math.min(N - 1, Math.max(0, Math.floor(v / top * N)))]++;
  const most = Math.max(...bins);
  svg.setAttribute("viewBox", "0 0 260 90"); svg.setAttribute("width", 260); svg.setAttribute("height", 90);
  svg.setAttribute("role", "img"); svg.setAttribute("aria-label", `${name}: ${values.length} waits up to ${show(Math.max(...values))}`);
  if (b && !name.includes("Retry-After")) {
    const share = b.jitter === "full" ? [0, 1] : b.jitter === "equal" ? [.5, 1] : b.jitter === "none" ? [.98, 1.02] : [1 - b.jitter, 1 + b.jitter];
    mark(svg, "rect", {x: wait * share[0] / top * 260, y: 0, width: Math.max(2, wait * (share[1] - share[0]) / top * 260), height: 72,
      fill: css("--zone"), opacity: .45}, "declared");
  }
  bins.forEach((count, i) => count && mark(svg, "rect", {x: i * 260 / N + 1, y: 72 - 68 * count / most, width: 260 / N - 2,
    height: 68 * count / most, fill: css("--blue")}, `${count} of ${values.length}`));
  mark(svg, "text", {x: 0, y: 86}).textContent = "0";
  mark(svg, "text", {x: 260, y: 86, "text-anchor": "end"}).textContent = show(top);
  box.append(svg, el("figcaption", `${name}, ${values.length} waits`));
  return box;
}

function inside(storm) {
  const box = el("div", null, "inside");
  box.append(el("p", `Steps: ${storm.words.join(", then ") || "calm air"}. References arrive in the ${storm.attribution ?? "?"}; ` +
    `heartbeat late by ${storm.lag ?? "?"} ms at p99; ${storm.strays} requests belong to no operation.`, "dim"));
  const ops = [...storm.operations].sort((a, b) => (b[9].length > 0) - (a[9].length > 0));
  const span = Math.max(1, ...ops.map(o => o[6] - o[5]), ...ops.map(o => o[7].length ? o[7].at(-1)[0] - o[5] : 0)) * 1.02;
  box.append(axis(span));
  let shown = 0;
  const more = el("button"); more.type = "button"; more.className = "more";
  function next() {
    for (const op of ops.slice(shown, shown + FIRST)) box.insertBefore(lane(storm, op, span), more);
    shown = Math.min(ops.length, shown + FIRST);
    more.hidden = shown >= ops.length;
    more.textContent = `show ${Math.min(FIRST, ops.length - shown)} more of ${ops.length - shown}`;
  }
  more.addEventListener("click", next);
  box.append(more);
  next();
  const twice = ops.filter(o => o[8] > 1), once = ops.filter(o => o[8] === 1);
  if (storm.effects || twice.length) box.append(el("p", `Effects ledger: ${storm.effects ?? 0} effects; ${once.length} operations with one, ` +
    `${twice.length} with more than one${twice.length ? ": " + twice.slice(0, 8).map(o => `${o[0]} (${o[8]})`).join(", ") : ""}.`));
  const bars = el("div", null, "bars");
  for (const name of Object.keys(storm.gaps).sort().slice(0, 6)) bars.append(histogram(name, storm.gaps[name], storm.profile));
  box.append(bars);
  return box;
}

const place = document.getElementById("storms");
for (const storm of storms) {
  const card = el("details", null, "storm"), head = el("summary");
  const codes = [...new Set(storm.operations.flatMap(o => o[9]))];
  head.append(el("b", storm.name), el("span", `${storm.operations.length} operations, ` +
    `${storm.operations.reduce((n, o) => n + o[7].length, 0)} attempts`, "dim"), el("span", codes.join(" ")));
  card.append(head);
  card.addEventListener("toggle", () => { if (card.open && card.children.length === 1) card.append(inside(storm)); });
  place.append(card);
}

const rows = [...document.querySelectorAll(".verdict")], search = document.getElementById("search");
const words = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));
let wanted = null;
function filter() {
  const text = search.value.trim().toLowerCase();
  let left = 0;
  for (const row of rows) {
    row.hidden = (wanted && row.dataset.outcome !== wanted) || (text && !words.get(row).includes(text));
    left += !row.hidden;
  }
  document.getElementById("none").hidden = left > 0;
}
search.addEventListener("input", filter);
for (const button of document.querySelectorAll("[data-filter]")) button.addEventListener("click", () => {
  wanted = wanted === button.dataset.filter ? null : button.dataset.filter;
  for (const other of document.querySelectorAll("[data-filter]")) other.setAttribute("aria-pressed", other.dataset.filter === wanted);
  filter();
});
for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => {
  navigator.clipboard?.writeText(button.previousElementSibling.textContent);
  button.textContent = "copied";
});
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  for (const box of document.querySelectorAll(".storm[open] .inside")) box.remove();
  for (const card of document.querySelectorAll(".storm[open]")) { card.open = false; }
});
if (location.hash) { const found = document.getElementById(location.hash.slice(1)); if (found?.tagName === "DETAILS") found.open = true; }
