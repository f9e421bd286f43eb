"use strict";
// Draws the map. Every text of the data becomes a text node or an attribute's value, never markup.
const data = JSON.parse(document.getElementById("data").textContent);
const svg = document.getElementById("map");
const side = document.getElementById("side");
const NONE = "";
const HUES = [211, 30, 145, 275, 182, 52, 315, 95, 240, 165];

function el(name, attributes, ...children) {
  const isShape = ["svg", "g", "rect", "circle", "path", "text", "title", "marker", "defs", "polygon"].includes(name);
  const made = isShape ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children.map((x) => (x instanceof Node ? x : document.createTextNode(x))));
  return made;
}

const number = (count) => count.toLocaleString("en");
const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "\u2026" : text);
const devicesOf = (count) => `${number(count)} device${count === 1 ? "" : "s"}`;
const when = (text) => (text ? text.replace("T", " ").replace("+00:00", " UTC") : "never");
const size = (bytes) => {
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 4);
  return (power ? (bytes / 2 ** (10 * power)).toFixed(1) : bytes) + " " + ["B", "KiB", "MiB", "GiB", "TiB"][power];
};

// --- boxes: a segment with its devices in a grid, named while they are few

const zones = new Map();
for (const segment of data.segments) zones.set(segment.name, { ...segment, title: segment.name, devices: [] });
function zoneOf(name) {
  const key = name || NONE;
  if (!zones.has(key)) zones.set(key, { name: key, title: "in no segment", description: "", mode: "", namespace: [], devices: [] });
  return zones.get(key);
}
const devices = new Map();
for (const device of data.devices) {
  const zone = zoneOf(device.segment);
  const item = { ...device, zone, flows: [] };
  devices.set(device.id, item);
  zone.devices.push(item);
}
for (const flow of data.flows) devices.get(flow.device).flows.push(flow);
for (const line of data.lines) [line.from, line.to].forEach(zoneOf);
const order = [...zones.values()];
order.forEach((zone, index) => {
  zone.hue = HUES[index % HUES.length];
  zone.color = zone.name === NONE ? "hsl(0 0% 55%)" : `hsl(${zone.hue} 62% ${index % 20 < 10 ? 48 : 62}%)`;
  zone.named = zone.devices.length <= 30 && data.devices.length <= 150;  // else nobody could read the names
  const [wide, high] = zone.named ? [118, 24] : [19, 19];
  const ratio = zone.named ? 3 : 1.3;
  const least = zone.named ? 1 : Math.min(8, zone.devices.length);
  zone.columns = Math.max(least, Math.ceil(Math.sqrt((zone.devices.length * ratio * high) / wide)));
  const rows = Math.ceil(zone.devices.length / zone.columns);
  zone.width = Math.max(170, zone.columns * wide + 20, 24 + 8 * zone.title.length);
  zone.height = 50 + Math.max(rows, 0.4) * high + 8;
  zone.devices.forEach((device, at) => {
    device.dx = 18 + (at % zone.columns) * wide;
    device.dy = 60 + Math.floor(at / zone.columns) * high;
  });
});

// --- where the boxes stand: on a ring, then pulled together by their conduits and pushed off each other

function place() {
  const total = order.reduce((sum, zone) => sum + Math.hypot(zone.width, zone.height), 0);
  const radius = order.length > 1 ? total / 5 : 0;
  order.forEach((zone, index) => {
    const angle = (2 * Math.PI * index) / order.length - Math.PI / 2;
    zone.cx = 1.5 * radius * Math.cos(angle);
    zone.cy = radius * Math.sin(angle);
  });
  const pairs = data.lines.map((line) => [zoneOf(line.from), zoneOf(line.to)]).filter(([a, b]) => a !== b);
  for (let turn = 0; turn < 400; turn++) {
    const pull = 0.02 * (1 - turn / 400);
    for (const zone of order) {
      zone.cx *= 1 - pull / 2;
      zone.cy *= 1 - pull;
    }
    for (const [a, b] of pairs) {
      const [dx, dy] = [(b.cx - a.cx) * pull, (b.cy - a.cy) * pull];
      a.cx += dx; a.cy += dy; b.cx -= dx; b.cy -= dy;
    }
    for (let i = 0; i < order.length; i++) for (let j = i + 1; j < order.length; j++) apart(order[i], order[j]);
  }
}
function apart(a, b) {
  const overX = (a.width + b.width) / 2 + 150 - Math.abs(b.cx - a.cx);
  const overY = (a.height + b.height) / 2 + 70 - Math.abs(b.cy - a.cy);
  if (overX <= 0 || overY <= 0) return;
  if (overX < overY) {
    const push = (overX / 2) * (b.cx >= a.cx ? 1 : -1);
    a.cx -= push; b.cx += push;
  } else {
    const push = (overY / 2) * (b.cy >= a.cy ? 1 : -1);
    a.cy -= push; b.cy += push;
  }
}
place();

// --- drawing

const scene = el("g");
const ties = el("g");
svg.append(
  el("defs", {}, ...[["ink", "var(--soft)"], ["red", "var(--red)"]].map(([name, color]) =>
    el("marker", { id: "tip-" + name, viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 12, markerHeight: 12, markerUnits: "userSpaceOnUse", orient: "auto" },
      el("path", { d: "M0 0L10 5L0 10z", fill: color })))),
  scene
);

function onEdge(zone, x, y) {
  const [dx, dy] = [x - zone.cx, y - zone.cy];
  const scale = Math.min((zone.width / 2 + 4) / Math.max(Math.abs(dx), 1e-6), (zone.height / 2 + 4) / Math.max(Math.abs(dy), 1e-6), 1);
  return [zone.cx + dx * scale, zone.cy + dy * scale];
}

// A label stands beside the middle of its line where that is free of boxes and of other labels, else further along, else nowhere
const labels = [];
function labelPlace(point) {
  const covered = ([x, y]) => order.some((zone) => Math.abs(x - zone.cx) < zone.width / 2 + 30 && Math.abs(y - zone.cy) < zone.height / 2 + 14) ||
    labels.some(([lx, ly]) => Math.abs(x - lx) < 60 && Math.abs(y - ly) < 26);
  const found = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82].map(point).find((place) => !covered(place));
  if (found) labels.push(found);
  return found || null;
}

const between = new Map();
const wires = data.lines.map((line) => {
  const [a, b] = [zoneOf(line.from), zoneOf(line.to)];
  const key = [a.name, b.name].sort().join("\n");
  const nth = between.get(key) || 0;
  between.set(key, nth + 1);
  const side = (a.name < b.name ? 1 : -1) * (nth % 2 ? -1 : 1) * (24 + 26 * Math.floor(nth / 2));
  const length = Math.hypot(b.cx - a.cx, b.cy - a.cy) || 1;
  const [mx, my] = [(a.cx + b.cx) / 2 - ((b.cy - a.cy) / length) * side * 2, (a.cy + b.cy) / 2 + ((b.cx - a.cx) / length) * side * 2];
  const [x1, y1] = onEdge(a, mx, my);
  const [x2, y2] = onEdge(b, mx, my);
  const d = `M${x1} ${y1}Q${mx} ${my} ${x2} ${y2}`;
  const place = labelPlace((t) => [x1, y1, mx, my, x2, y2].reduce((sum, value, i) => {
    sum[i % 2] += value * [(1 - t) ** 2, 2 * t * (1 - t), t * t][i >> 1];
    return sum;
  }, [0, 0]));
  const bad = line.conduit === null;
  const width = line.count ? 1.5 + Math.min(Math.log10(line.count), 6) * 0.45 : 1.2;
  const path = el("path", { d, stroke: bad ? "var(--red)" : "var(--soft)", "stroke-width": width, "marker-end": `url(#tip-${bad ? "red" : "ink"})` });
  if (bad || !line.count) path.setAttribute("stroke-dasharray", bad ? "7 4" : "3 5");
  const node = el("g", { class: "wire" }, path, el("path", { d, class: "touch" }));
  const told = line.count ? number(line.count) : "unused";
  const label = el("g", { class: bad ? "wire none" : "wire" }, ...(place ? (bad ? [told] : [short(line.conduit, 30), told]) : []).map((text, row) =>
    el("text", { x: place[0], y: place[1] + 4 + 13 * row, "text-anchor": "middle" }, text)));
  for (const part of [node, label]) part.addEventListener("click", (event) => { event.stopPropagation(); showLine(line); });
  return { line, node, label, a, b };
});

function drawDevice(device) {
  const zone = device.zone;
  const unseen = device.last_seen === null;
  const paint = { fill: unseen ? "var(--paper)" : zone.color, stroke: zone.color, "stroke-width": 1.3, class: "mark" };
  if (unseen) paint["stroke-dasharray"] = "2 2";
  const mark = device.enrolled === false
    ? el("polygon", { points: "0,-7.5 7.5,0 0,7.5 -7.5,0", ...paint, stroke: "var(--amber)", "stroke-width": 2.5 })
    : el("circle", { r: 6, ...paint });
  device.node = el("g", { class: unseen ? "dev unseen" : "dev", transform: `translate(${device.dx} ${device.dy})` }, el("title", {}, device.id), mark);
  if (device.denied) device.node.append(el("circle", { r: 8.5, fill: "none", stroke: "var(--red)", "stroke-width": 2 }));
  if (zone.named) device.node.append(el("text", { x: 11, y: 4 }, short(device.id, 16)));
  device.node.addEventListener("click", (event) => { event.stopPropagation(); showDevice(device); });
  return device.node;
}

for (const zone of order) {
  const seen = zone.devices.filter((device) => device.last_seen !== null).length;
  const head = el("g", { class: "head" },
    el("text", { x: 14, y: 22, "font-weight": 600 }, short(zone.title, 40)),
    el("text", { x: 14, y: 38, class: "sub" }, `${devicesOf(zone.devices.length)}, ${number(seen)} seen${zone.mode === "observe" ? ", observe" : ""}`));
  head.addEventListener("click", (event) => { event.stopPropagation(); showZone(zone); });
  zone.node = el("g", { class: "zone", transform: `translate(${zone.cx - zone.width / 2} ${zone.cy - zone.height / 2})` },
    el("rect", { width: zone.width, height: zone.height, rx: 10, stroke: zone.color }), head, ...zone.devices.map(drawDevice));
}
scene.append(...wires.map((wire) => wire.node), ...order.map((zone) => zone.node), ...wires.map((wire) => wire.label), ties);

// --- looking around

let view = { x: 0, y: 0, scale: 1 };
function look() { scene.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`); }
function fit() {
  const box = svg.getBoundingClientRect();
  const left = Math.min(...order.map((zone) => zone.cx - zone.width / 2)) - 30;
  const right = Math.max(...order.map((zone) => zone.cx + zone.width / 2)) + 30;
  const top = Math.min(...order.map((zone) => zone.cy - zone.height / 2)) - 30;
  const bottom = Math.max(...order.map((zone) => zone.cy + zone.height / 2)) + 30;
  const scale = Math.min(box.width / (right - left), box.height / (bottom - top), 1.6);
  view = { scale, x: box.width / 2 - (scale * (left + right)) / 2, y: box.height / 2 - (scale * (top + bottom)) / 2 };
  look();
}
svg.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = svg.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const scale = Math.min(Math.max(view.scale * Math.exp(-event.deltaY / 500), 0.02), 8);
  view = { scale, x: x - ((x - view.x) * scale) / view.scale, y: y - ((y - view.y) * scale) / view.scale };
  look();
}, { passive: false });
let grip = null;
let moved = false;
svg.addEventListener("pointerdown", (event) => { grip = [event.clientX - view.x, event.clientY - view.y]; moved = false; });
window.addEventListener("pointermove", (event) => {
  if (!grip) return;
  const [x, y] = [event.clientX - grip[0], event.clientY - grip[1]];
  moved = moved || Math.hypot(x - view.x, y - view.y) > 3;
  if (moved) { view.x = x; view.y = y; look(); }
});
window.addEventListener("pointerup", () => { grip = null; });
svg.addEventListener("click", () => { if (!moved) showSite(); });
document.getElementById("fit").addEventListener("click", fit);

// --- the panel

function pick(...nodes) {
  for (const old of document.querySelectorAll(".hit")) old.classList.remove("hit");
  ties.replaceChildren();
  for (const node of nodes) node.classList.add("hit");
}
function section(title, rows, empty) {
  if (!rows.length && !empty) return [];
  const shown = rows.slice(0, 200);
  if (rows.length > shown.length) shown.push(el("li", {}, el("small", {}, `and ${number(rows.length - shown.length)} more`)));
  return [el("h3", {}, rows.length ? `${title} (${number(rows.length)})` : title), rows.length ? el("ul", {}, ...shown) : el("p", {}, empty)];
}
function goTo(text, act, ...notes) {
  const button = el("button", { type: "button" }, text);
  button.addEventListener("click", act);
  return el("li", {}, button, ...notes.filter(Boolean).map((note) => el("small", {}, note)));
}
function state(device) {
  const notes = [];
  if (device.last_seen === null) notes.push("never seen");
  if (device.enrolled === false) notes.push("not enrolled");
  if (device.denied) notes.push(`${number(device.denied)} denied`);
  return notes.join(", ");
}
const deviceRow = (device) => goTo(device.id, () => { showDevice(device); centre(device); }, state(device));
const flowRow = (flow) => {
  const row = el("li", {}, `${flow.direction} `, el("code", {}, flow.shape),
    el("small", {}, `${number(flow.count)} times, ${size(flow.bytes)}, last ${when(flow.last_seen)}`));
  row.append(el("small", flow.allowed ? {} : { class: "bad" }, flow.allowed ? `allowed by ${flow.line}` : `not allowed now: ${flow.reason}`));
  return row;
};
function lineRow(line) {
  const name = line.conduit === null ? "no conduit" : line.conduit;
  return goTo(name, () => showLine(line), `${zoneOf(line.from).title} to ${zoneOf(line.to).title}: ${line.count ? number(line.count) + " messages" : "unused"}`);
}
function centre(device) {
  const box = svg.getBoundingClientRect();
  const scale = Math.max(view.scale, 1);
  const [x, y] = at(device);
  view = { scale, x: box.width / 2 - x * scale, y: box.height / 2 - y * scale };
  look();
}
const at = (device) => [device.zone.cx - device.zone.width / 2 + device.dx, device.zone.cy - device.zone.height / 2 + device.dy];

function showSite() {
  pick();
  const all = [...devices.values()];
  const strangers = data.seen_not_enrolled.map((id) => devices.get(id));
  const silent = data.enrolled_never_seen.map((id) => devices.get(id));
  const denied = all.filter((device) => device.denied).sort((a, b) => b.denied - a.denied);
  const unknown = all.some((device) => device.enrolled === null);
  side.replaceChildren(
    el("h2", {}, "The site"),
    el("p", {}, `${devicesOf(all.length)} in ${number(data.segments.length)} segments; ${number(data.flows.length)} flows${data.since ? " since " + when(data.since) : ""}.`),
    ...(unknown ? [el("p", { class: "odd" }, "Who is enrolled is not known: the authority's records could not be read.")] : []),
    ...section("Flows that no policy line allows", data.flows_no_line_allows.map((flow) =>
      goTo(flow.device, () => { showDevice(devices.get(flow.device)); centre(devices.get(flow.device)); }, `${flow.direction} ${flow.shape}`, flow.reason)), "None."),
    ...section("Seen, not enrolled here", strangers.map(deviceRow), unknown ? "" : "None."),
    ...section("Enrolled, never seen", silent.map(deviceRow), unknown ? "" : "None."),
    ...section("Denied something", denied.map(deviceRow), "None."),
    ...section("Policy lines that no flow uses", data.lines_no_flow_uses.map((unused) =>
      el("li", {}, `${unused.where}: ${unused.direction} `, el("code", {}, unused.line), ...(unused.devices_seen ? [] : [el("small", {}, "no device of it was seen")]))), "None."),
    ...section("Between segments", data.lines.map(lineRow), "There is no conduit."));
}
function showZone(zone) {
  pick();
  side.replaceChildren(
    el("h2", {}, zone.title), el("p", {}, zone.description || ""),
    ...(zone.namespace.length ? [el("p", {}, "topics: ", el("code", {}, zone.namespace.join(", ")))] : []),
    ...section("In and out", data.lines.filter((line) => zoneOf(line.from) === zone || zoneOf(line.to) === zone).map(lineRow), "Nothing may cross."),
    ...section("Devices", zone.devices.map(deviceRow), "None."));
}
function showLine(line) {
  pick();
  side.replaceChildren(
    el("h2", line.conduit === null ? { class: "bad" } : {}, line.conduit === null ? "Without a conduit" : line.conduit),
    el("p", {}, `${line.ends[0] || "in no segment"} to ${line.ends[1] || "in no segment"}`),
    ...(line.topics.length ? [el("p", {}, "topics: ", el("code", {}, line.topics.join(", ")))] : []),
    ...(line.until ? [el("p", {}, `until ${when(line.until)}`)] : []),
    el("p", {}, line.count ? `${number(line.count)} messages, ${size(line.bytes)}, of ${devicesOf(line.devices)}` : "No recorded flow uses it."));
}
function showDevice(device) {
  pick(device.node);
  const notes = state(device);
  side.replaceChildren(
    el("h2", {}, device.id),
    el("p", {}, `${device.zone.title}${device.role ? ", role " + device.role : ""}`),
    ...(notes ? [el("p", { class: device.denied ? "bad" : "odd" }, notes)] : []),
    el("p", {}, `last seen: ${when(device.last_seen)}`),
    el("p", {}, `${number(device.published)} published, ${number(device.received)} received, ${size(device.bytes)}`),
    ...section("Flows", device.flows.map(flowRow), "None were recorded."));
  const drawn = new Set();
  for (const flow of device.flows) {
    const other = flow.owner === null ? null : zones.get(flow.owner);
    if (!other || other === device.zone || drawn.has(other.name + flow.allowed)) continue;
    drawn.add(other.name + flow.allowed);
    const [x, y] = at(device);
    const [x2, y2] = onEdge(other, x, y);
    ties.append(el("path", { d: `M${x} ${y}L${x2} ${y2}`, class: flow.allowed ? "tie" : "tie bad" }));
  }
}

// --- finding and filtering

const hidden = new Set();
function filter() {
  const wanted = document.getElementById("search").value.trim().toLowerCase();
  for (const device of devices.values()) device.node.classList.toggle("dim", wanted !== "" && !device.id.toLowerCase().includes(wanted));
  for (const zone of order) zone.node.classList.toggle("dim", hidden.has(zone));
  for (const wire of wires) for (const part of [wire.node, wire.label]) part.classList.toggle("dim", hidden.has(wire.a) || hidden.has(wire.b));
  if (wanted) {
    const found = [...devices.values()].filter((device) => device.id.toLowerCase().includes(wanted));
    side.replaceChildren(el("h2", {}, "Found"), ...section("Devices", found.map(deviceRow), "None."));
  }
}
document.getElementById("search").addEventListener("input", filter);
for (const zone of order) {
  const patch = el("i");
  patch.style.background = zone.color;
  const chip = el("button", { type: "button", "aria-pressed": "true" }, patch, short(zone.title, 24));
  chip.addEventListener("click", () => {
    if (hidden.has(zone)) hidden.delete(zone); else hidden.add(zone);
    chip.setAttribute("aria-pressed", String(!hidden.has(zone)));
    filter();
  });
  document.getElementById("chips").append(chip);
}

const key = (text, ...shapes) => el("span", {}, el("svg", { viewBox: "0 0 26 12" }, ...shapes), text);
const wireKey = (color, dash) => el("path", { d: "M0 6H24", stroke: color, "stroke-width": 2, ...(dash ? { "stroke-dasharray": dash } : {}) });
const dotKey = (more) => el("circle", { cx: 13, cy: 6, r: 5, fill: "var(--soft)", stroke: "var(--soft)", "stroke-width": 1.3, ...more });
document.getElementById("legend").append(
  key("seen", dotKey({})),
  key("never seen", dotKey({ fill: "none", "stroke-dasharray": "2 2" })),
  key("denied something", dotKey({ r: 4 }), dotKey({ r: 6.5, fill: "none", stroke: "var(--red)", "stroke-width": 2 })),
  key("not enrolled here", el("polygon", { points: "13,0 19,6 13,12 7,6", fill: "var(--soft)", stroke: "var(--amber)", "stroke-width": 2 })),
  key("conduit", wireKey("var(--soft)")),
  key("unused conduit", wireKey("var(--soft)", "3 5")),
  key("passed without a conduit", wireKey("var(--red)", "7 4")));
document.getElementById("made").textContent = "made " + when(data.made);
showSite();
fit();
window.addEventListener("resize", fit);
const first = devices.get(location.hash.slice(1));  // the ids of devices need no escape
if (first) { showDevice(first); centre(first); }
