/* What the reader chose, and the tables that show it. Names are set as text, never as markup. */
const data = JSON.parse(document.getElementById("data").textContent);
const byId = new Map([...data.systems, ...data.rows, ...data.runs, ...data.reported].map((row) => [row.id, row]));
const tasks = new Map(data.tasks.map((task) => [task.id, task]));
const groups = new Map(data.groups.map((group) => [group.id, group]));
const kinds = new Map([...data.kinds, ["reference", "Reference"]]);
const columns = new Map(data.columns.map((column) => [column.key, column]));
const setups = new Map(data.systems.map((system) => [system.setup, system]));
const views = ["overview", ...tasks.keys(), "reported", "compare"];
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const lowFirst = new Set(["rank", "system", "kind", "invented", "size"]);

const $ = (id) => document.getElementById(id);
const form = $("filters"), panel = $("panel"), content = $("panel-content");

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  fill(node, attributes);
  for (const child of children) {
    if (child instanceof Node) node.append(child);
    else if (child !== null && child !== undefined) node.append(document.createTextNode(String(child)));
  }
  return node;
}
function svg(name, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  fill(node, attributes);
  node.append(...children);
  return node;
}
function fill(node, attributes) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
}

const percent = (value, digits = 1) => (100 * value).toFixed(digits);
const speedText = (value) => value.toFixed(value >= 10 ? 0 : 1);
const count = (value) => value.toLocaleString("en-US");
const unknown = () =>
  el("span", { class: "none" }, el("span", { "aria-hidden": "true" }, "–"), el("span", { class: "spoken" }, "not known"));
const taskName = (id) => data.names[id] || id;

/* The state of the page. Whatever differs from the start stands in the address. */
const START = {
  task: "overview", group: data.groups[0].id, type: "", kinds: data.kinds.map(([kind]) => kind), match: "strict", reported: false,
  q: "", sort: "", down: true, open: "", a: "", b: "",
};
let state = { ...START };

function sortKeys(view) {
  if (view === "overview") return ["rank", "system", "mean", "coverage", ...data.overview];
  return tasks.has(view) ? [...columns.keys()] : [];
}
const startSort = (view) => (view === "overview" ? "mean" : tasks.has(view) ? "f1" : "");

function fromHash() {
  const given = new URLSearchParams(location.hash.slice(1));
  const read = { ...START, kinds: [...START.kinds] };
  if (views.includes(given.get("task"))) read.task = given.get("task");
  if (groups.has(given.get("group"))) read.group = given.get("group");
  if (tasks.has(read.task) && tasks.get(read.task).types.includes(given.get("type"))) read.type = given.get("type");
  if (given.has("kind")) read.kinds = START.kinds.filter((kind) => given.get("kind").split(",").includes(kind));
  if (given.get("match") === "relaxed") read.match = "relaxed";
  if (given.get("reported") === "1") read.reported = true;
  read.q = given.get("q") || "";
  const sort = given.get("sort") || "";
  read.sort = startSort(read.task);
  if (sortKeys(read.task).includes(sort.replace(/^-/, ""))) {
    read.sort = sort.replace(/^-/, "");
    read.down = sort.startsWith("-");
  }
  for (const side of ["a", "b"]) if (setups.has(given.get(side))) read[side] = given.get(side);
  if (byId.has(given.get("open"))) read.open = given.get("open");
  return read;
}

function toHash() {
  const parts = new URLSearchParams();
  if (state.task !== START.task) parts.set("task", state.task);
  if (state.group !== START.group) parts.set("group", state.group);
  if (state.type) parts.set("type", state.type);
  if (state.kinds.length < START.kinds.length) parts.set("kind", state.kinds.join(","));
  if (state.match !== START.match) parts.set("match", state.match);
  if (state.reported) parts.set("reported", "1");
  if (state.q) parts.set("q", state.q);
  if (state.sort !== startSort(state.task) || !state.down) parts.set("sort", (state.down ? "-" : "") + state.sort);
  if (state.a) parts.set("a", state.a);
  if (state.b) parts.set("b", state.b);
  if (state.open) parts.set("open", state.open);
  const hash = parts.toString();
  if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? "#" + hash : location.pathname + location.search);
}

/* What a line shows in this view. */
const typesOf = (row) => (tasks.has(row.task) ? tasks.get(row.task).types : []);
const valueOf = (row, name) => (row && row.scores[name] ? row.scores[name][0] : null);
function score(row, column) {
  if (!column.score) return null;
  let name = column.score.replace("{match}", state.match);
  if (state.type && typesOf(row).length > 1) {
    if (column.score.startsWith("{match}")) name += "_" + state.type;
    else if (column.key !== "json") return null;
  }
  return row.scores[name] || null;
}
function wanted(row) {
  if (!state.kinds.includes(row.kind)) return false;
  const text = `${row.title} ${row.system} ${row.words}`.toLowerCase();
  return state.q.toLowerCase().split(/\s+/).filter(Boolean).every((word) => text.includes(word));
}

/* Sorted by a key; what has none comes last, ties as they were. */
function sorted(rows, key, last = () => 0) {
  const sign = state.down ? -1 : 1;
  return rows.map((row, index) => ({ row, index, key: key(row) })).sort((x, y) => {
    const aside = last(x.row) - last(y.row);
    if (aside) return aside;
    if ((x.key === null) !== (y.key === null)) return x.key === null ? 1 : -1;
    const by = x.key === null ? 0 : typeof x.key === "string" ? collator.compare(x.key, y.key) : x.key - y.key;
    return sign * by || x.index - y.index;
  }).map(({ row }) => row);
}

const testsApply = () => state.match === "strict" && !state.type;
const marksOf = (row) => row.marks.filter(([look]) => testsApply() || !["best", "tied"].includes(look));
const aboutOf = (row, marks) =>
  el("span", { class: "about" }, row.variant ? el("span", null, row.variant) : null,
    ...marks.map(([look, words]) => el("span", { class: "mark " + look }, words)));
function nameOf(row, marks, setup) {
  const said = row.title + (row.variant ? `, ${row.variant}` : "");
  return el("th", { class: "system", scope: "row", role: "rowheader" },
    setup ? el("input", { type: "checkbox", class: "pick", "data-pick": setup, "aria-label": `Compare ${said}` }) : null,
    el("span", { class: "names" },
      el("button", { class: "open", type: "button", "aria-haspopup": "dialog", "data-open": row.id }, row.title),
      aboutOf(row, marks)));
}

/* The overview: a line a system, a column a corpus. */
function boardLine(system) {
  const cells = new Map();
  for (const [task, id] of Object.entries(system.entries)) {
    const value = valueOf(byId.get(id), state.match + "_f1");
    if (value !== null) cells.set(task, value);
  }
  const members = groups.get(state.group).tasks;
  const whole = members.every((task) => cells.has(task));
  return {
    system, cells, mean: whole ? members.reduce((sum, task) => sum + cells.get(task), 0) / members.length : null,
    known: [...cells.values()].reduce((sum, value) => sum + value, 0) / cells.size,
  };
}
function shade(value, values) {
  const high = Math.max(...values), low = Math.max(Math.min(...values), high / 2);
  return "shade-" + (high === low ? 4 : Math.max(0, Math.trunc((8 * (value - low)) / (high - low) + 0.5)));
}
function boardRow(line, of) {
  const { system, cells, mean, rank } = line;
  const real = system.kind !== "reference";
  const marks = real ? [] : [["reference", "reference, not ranked"]];
  const row = el("tr", { role: "row" },
    el("td", { class: "rank", role: "cell", "data-label": "Rank" }, rank === null ? unknown() : rank),
    nameOf(system, marks, real ? system.setup : null),
    el("td", { class: "mean" + (real && mean !== null ? " " + shade(mean, of.mean) : ""), role: "cell", "data-label": `Mean, ${groups.get(state.group).name}` },
      mean === null ? unknown() : el("b", null, percent(mean))),
    el("td", { class: "coverage", role: "cell", "data-label": "Corpora" }, `${cells.size} of ${data.overview.length}`));
  for (const task of data.overview) {
    const known = cells.has(task);
    const cell = el("td", { class: "corpus" + (state.sort === task ? " sorted" : "") + (real && known ? " " + shade(cells.get(task), of[task]) : ""), role: "cell", "data-label": taskName(task) });
    if (!known) cell.append(unknown());
    else {
      const entry = byId.get(system.entries[task]);
      const value = percent(cells.get(task));
      const said = [value, ...entry.marks.filter(([look]) => look !== "reference").map(([, words]) => words)].join(", ");
      cell.append(el("button", { class: "value open", type: "button", "aria-haspopup": "dialog", "data-open": entry.id,
        "aria-label": `${system.title} on ${taskName(task)}: ${said}` }, value));
      for (const [look] of marksOf(entry)) {
        if (look === "best" || look === "tied") cell.append(el("span", { class: "mark " + look }, look === "best" ? "★" : "≈"));
      }
    }
    row.append(cell);
  }
  return row;
}
function drawBoard() {
  const all = data.systems.map(boardLine).filter((line) => line.cells.size);
  const real = all.filter((line) => line.system.kind !== "reference");
  const of = { mean: real.map((line) => line.mean).filter((mean) => mean !== null) };
  for (const task of data.overview) of[task] = real.filter((line) => line.cells.has(task)).map((line) => line.cells.get(task));
  for (const line of all) {
    const ranked = line.system.kind !== "reference" && line.mean !== null;
    line.rank = ranked ? of.mean.filter((mean) => mean > line.mean).length + 1 : null;
  }
  real.sort((x, y) => (x.mean === null) - (y.mean === null) || y.mean - x.mean || y.cells.size - x.cells.size || y.known - x.known);
  const key = {
    rank: (line) => line.rank, system: (line) => line.system.title, mean: (line) => line.mean, coverage: (line) => line.cells.size,
  }[state.sort] || ((line) => (line.cells.has(state.sort) ? line.cells.get(state.sort) : null));
  const shown = sorted(real.filter((line) => wanted(line.system)), key);
  const empty = data.systems.length ? "No system fits these filters." : data.nothing;
  $("board").replaceChildren(...(shown.length ? shown.map((line) => boardRow(line, of)) : [nothing(empty, 4 + data.overview.length)]));
  $("references").replaceChildren(...all.filter((line) => line.system.kind === "reference").map((line) => boardRow(line, of)));
  return [shown.length, real.length];
}
const nothing = (words, span) => el("tr", { role: "row" }, el("td", { class: "empty", role: "cell", colspan: span }, words));

/* A corpus: a line a system, a column a score. */
function whisker([value, low, high], scale) {
  const place = (share) => 2 + (100 * (100 * share - scale[0])) / (scale[1] - scale[0]);
  const at = (share) => Math.min(102, Math.max(2, place(share))).toFixed(1);
  return svg("svg", { class: "whisker", viewBox: "0 0 104 12", "aria-hidden": "true" },
    svg("path", { d: "M2 6H102M2 3.5V8.5M52 3.5V8.5M102 3.5V8.5" }),
    ...(low === null ? [] : [svg("path", { class: "interval", d: `M${at(low)} 6H${at(high)}M${at(low)} 2.5V9.5M${at(high)} 2.5V9.5` })]),
    place(value) < 2 ? svg("path", { class: "beyond", d: "M7 2.5L2 6L7 9.5" }) : svg("circle", { cx: at(value), cy: "6", r: "2.7" }));
}
function labelOf(column) {
  const matched = column.score && column.score.startsWith("{match}");
  return matched ? `${state.match === "strict" ? "Strict" : "Relaxed"} ${column.key === "f1" ? "F1" : column.full.toLowerCase()}` : column.full;
}
function corpusRow(row, scale) {
  const marks = marksOf(row);
  const setup = row.measured && !row.partial && !row.older && setups.has(row.setup) ? row.setup : null;
  const node = el("tr", { role: "row", class: marks.map(([look]) => look).join(" ") || null }, nameOf(row, marks, setup));
  for (const column of data.columns.slice(1)) {
    const cell = el("td", { class: column.key, role: "cell", "data-label": labelOf(column) });
    const found = score(row, column);
    if (column.key === "kind") cell.append(kinds.get(row.kind));
    else if (column.key === "size") cell.append(row.size || unknown());
    else if (column.key === "speed") cell.append(row.speed ? speedText(row.speed) : unknown());
    else if (!found) cell.append(unknown());
    else if (column.key !== "f1") cell.append(percent(found[0]));
    else {
      cell.append(el("span", { class: "figures" },
        el("b", null, percent(found[0])),
        el("span", { class: "range" }, found[1] === null ? "" : `[${percent(found[1])}, ${percent(found[2])}]`),
        whisker(found, scale)));
    }
    node.append(cell);
  }
  return node;
}
/* "135M" as a number; what has no unit that is known has no size. */
function sizeOf(text) {
  const found = /^~?([\d.]+) ?([KMBT])\b/i.exec(text);
  return found ? Number(found[1]) * { K: 1e3, M: 1e6, B: 1e9, T: 1e12 }[found[2].toUpperCase()] : null;
}
function drawCorpus(task) {
  const all = data.rows.filter((row) => row.task === task.id && row.kind !== "reference");
  const said = state.reported ? data.reported.filter((row) => row.task === task.id && (!state.type || task.types.length === 1)) : [];
  const column = columns.get(state.sort);
  const key = {
    system: (row) => row.title, kind: (row) => [...kinds.keys()].indexOf(row.kind), size: (row) => sizeOf(row.size), speed: (row) => row.speed,
  }[column.key] || ((row) => (score(row, column) || [null])[0]);
  const shown = sorted([...all, ...said].filter(wanted), key, (row) => (column.score && (row.partial || row.older) ? 1 : 0));
  const section = $("corpus-" + task.id);
  const lines = shown.map((row) => corpusRow(row, task.scale));
  section.querySelector(".rows").replaceChildren(...(lines.length ? lines : [nothing("No line fits these filters.", data.columns.length)]));
  section.querySelector(".match-head").textContent = state.match === "strict" ? "Strict match" : "Relaxed match";
  return [shown.length, all.length + said.length];
}

function drawReports() {
  const lines = [...$("reports").querySelectorAll("[data-row]")];
  for (const line of lines) line.hidden = !wanted(byId.get(line.dataset.row));
  return [lines.filter((line) => !line.hidden).length, lines.length];
}

function notes(shown, all) {
  const key = columns.get(state.sort), task = tasks.get(state.task);
  const by = { rank: "rank", system: "name", mean: `mean over ${groups.get(state.group).name}`, coverage: "number of corpora" }[state.sort]
    || (key ? labelOf(key) : taskName(state.sort));
  const words = ["system", "kind"].includes(state.sort) ? (state.down ? "descending" : "ascending") : state.down ? "highest first" : "lowest first";
  const said = [state.task === "compare" ? "" : `${shown} of ${all} lines shown` + (state.sort ? `, sorted by ${by}, ${words}.` : ".")];
  if (state.task === "overview") {
    const group = groups.get(state.group);
    said.push(`${state.match === "strict" ? "Strict" : "Relaxed"} F1. The mean is over ${group.tasks.map(taskName).join("; ")}, of systems that ran on all of them.`);
    if (data.reported.length) said.push("Figures of papers and model cards are under Reported.");
  }
  if (task) {
    if (state.type) said.push(`F1, precision and recall are of ${state.type} alone.`);
    if (state.reported) said.push("Lines in italics are reported by others and were not measured here; they have no rank.");
    else if (task.reported) said.push(`Others report ${task.reported} figures for this corpus; they are not shown here.`);
  }
  if ((task || state.task === "overview") && !testsApply()) {
    said.push("Significance was tested for strict F1 over all types, so it is not marked here.");
  }
  return said;
}

/* In its own row, which on a phone is wider than the screen; the page stays where it is. */
function bringIntoSight(chosen) {
  const row = chosen.closest("ul, tr"), [inner, outer] = [chosen, row].map((node) => node.getBoundingClientRect());
  if (inner.left < outer.left || inner.right > outer.right) row.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
}
function draw() {
  for (const section of document.querySelectorAll("section.view")) {
    section.hidden = section.id !== (tasks.has(state.task) ? "corpus-" + state.task : state.task);
  }
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === state.task) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const task = tasks.get(state.task);
  const [shown, all] = task ? drawCorpus(task) : state.task === "overview" ? drawBoard() : state.task === "reported" ? drawReports() : [0, 0];
  if (state.task === "compare") drawComparison();
  const section = document.querySelector("section.view:not([hidden])");
  for (const head of section.querySelectorAll("th[data-key]")) {
    if (head.dataset.key === state.sort) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  for (const chosen of document.querySelectorAll("#views [aria-current], section.view:not([hidden]) th[aria-sort]")) bringIntoSight(chosen);
  const [first, ...more] = notes(shown, all);
  if ($("count").textContent !== first) $("count").textContent = first;
  if ($("note").textContent !== more.join(" ")) $("note").textContent = more.join(" ");
  showPicked();
}

/* The form shows the state, and what can be chosen in this view. */
function showForm() {
  const task = tasks.get(state.task);
  const show = { overview: state.task === "overview", corpus: Boolean(task), scores: Boolean(task) || state.task === "overview" };
  for (const [part, there] of Object.entries(show)) for (const node of form.querySelectorAll(".of-" + part)) node.hidden = !there;
  const types = task && task.types.length > 1 ? task.types : [];
  if ([...form.elements.type.options].slice(1).map((option) => option.value).join() !== types.join()) {
    form.elements.type.replaceChildren(el("option", { value: "" }, "All"), ...types.map((type) => el("option", { value: type }, type)));
  }
  form.elements.type.closest(".field").hidden = !types.length;
  form.elements.type.value = types.includes(state.type) ? state.type : "";
  form.elements.group.value = state.group;
  form.elements.match.value = state.match;
  form.elements.reported.checked = state.reported;
  if (form.elements.q.value !== state.q) form.elements.q.value = state.q;
  for (const box of form.querySelectorAll("[name=kind]")) box.checked = state.kinds.includes(box.value);
  form.hidden = state.task === "compare";
  $("drawer").hidden = form.hidden;
}

function change(part) {
  state = { ...state, ...part };
  showForm();
  draw();
  toHash();
}
function view(task) {
  change({ task, type: "", sort: startSort(task), down: true });
}
