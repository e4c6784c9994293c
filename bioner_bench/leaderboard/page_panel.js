/* The panel of a run, a system or a reported figure, and what the reader's hands do. */
const labels = {
  strict_recall_seen: "Strict recall, seen mentions", strict_recall_unseen: "Strict recall, unseen mentions",
  string_f1: "String F1", string_precision: "String precision", string_recall: "String recall",
  strict_f1: "Strict F1", strict_precision: "Strict precision", strict_recall: "Strict recall",
  relaxed_f1: "Relaxed F1", relaxed_precision: "Relaxed precision", relaxed_recall: "Relaxed recall",
  strict_f1_macro: "Strict F1, mean of types", relaxed_f1_macro: "Relaxed F1, mean of types",
  json_valid: "Valid JSON, as asked for", json_extracted: "Extracted from prose or another shape",
  json_repaired: "Repaired", json_failed: "Failed, taken as no mentions", output_cut: "Cut off before its end",
  hallucination_rate: "Hallucinated mentions", surplus_rate: "Surplus mentions", false_positive_rate: "Mention-free sentences with a mention found",
};

/* `opener` is the line whose button takes the focus back. */
let opener = "";
function table(caption, heads, lines) {
  return el("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": caption },
    el("table", null,
      el("caption", { class: "spoken" }, caption),
      el("thead", null, el("tr", null, ...heads.map((head) => (head ? el("th", { scope: "col" }, head) : el("td"))))),
      el("tbody", null, ...lines)));
}
const range = (found) => (found[1] === null ? null : el("span", { class: "range" }, `[${percent(found[1])}, ${percent(found[2])}]`));
const figure = (found) => (found ? el("td", null, percent(found[0], 2), range(found)) : el("td", null, unknown()));

function byType(row) {
  const types = typesOf(row);
  const line = (name, type, suffix) => {
    const counts = row.counts ? row.counts[type] : null;
    return el("tr", null, el("th", { scope: "row" }, name),
      ...(row.counts ? [0, 1].map((index) => el("td", null, counts ? count(counts[index]) : unknown())) : []),
      ...["strict", "relaxed"].flatMap((match) => ["f1", "precision", "recall"].map((kind) => figure(row.scores[`${match}_${kind}${suffix}`]))));
  };
  const lines = types.length === 1 ? [line(types[0], "", "")] : [
    line("All types", "", ""), ...types.map((type) => line(type, type, "_" + type)),
  ];
  if (types.length > 1 && row.scores.strict_f1_macro) {
    lines.push(el("tr", null, el("th", { scope: "row" }, "Mean of types"),
      ...(row.counts ? [el("td"), el("td")] : []),
      figure(row.scores.strict_f1_macro), el("td"), el("td"), figure(row.scores.relaxed_f1_macro), el("td"), el("td")));
  }
  const within = row.members ? "with the range of seeds" : "with 95 % intervals";
  return table(`Scores by entity type, in percent, ${within}`,
    ["Type", ...(row.counts ? ["Gold", "Predicted"] : []), "Strict F1", "Precision", "Recall", "Relaxed F1", "Precision", "Recall"], lines);
}

function shares(caption, row, names) {
  const known = names.filter((name) => row.scores[name]);
  if (!known.length) return [];
  const node = table(caption + ", in percent", ["Score", "%", row.members ? "Range" : "95 % interval", ""], known.map((name) => {
    const [value, low, high] = row.scores[name];
    return el("tr", null, el("th", { scope: "row" }, labels[name]), el("td", null, percent(value, 2)),
      el("td", null, low === null ? unknown() : `[${percent(low, 2)}, ${percent(high, 2)}]`),
      el("td", null, svg("svg", { class: "bar", viewBox: "0 0 100 8", "aria-hidden": "true" },
        svg("path", { d: "M0 4H100" }), svg("path", { d: `M0 4H${(100 * value).toFixed(1)}` }))));
  }));
  node.classList.add("shares");
  return [el("h3", null, caption), node];
}

/* Answer only where the model is sure: the scores of its most confident mentions alone. */
function sure(row) {
  if (!row.sure || !row.sure.shares.length) return [];
  const caption = "Only where the model is sure";
  const node = table(`${caption}: strict scores of the most confident mentions alone, in percent`, ["Mentions kept", "Precision", "Recall", "F1"],
    row.sure.shares.map(([share, ...found]) => el("tr", null,
      el("th", { scope: "row" }, percent(share, 0)), ...found.map((value) => el("td", null, percent(value, 2))))));
  node.querySelector("table").dataset.sure = "";
  const error = row.sure.error === null ? [] : [el("p", { class: "small" }, `Calibration error: ${percent(row.sure.error, 2)} %`)];
  return [el("h3", null, caption), node, ...error];
}

function others(row) {
  const found = [...data.rows, ...data.reported].filter((other) => other.system === row.system && other !== row);
  if (!found.length) return [];
  return [el("h3", null, "The same system elsewhere"), links("Other lines of this system", found.map(linkTo))];
}
function linkTo(other) {
  const name = ["strict_f1", ...Object.keys(other.scores)].find((each) => other.scores[each]);
  const marks = other.marks.filter(([look]) => !["best", "tied"].includes(look)).map(([, words]) => words);
  const value = name ? `${labels[name]} ${percent(other.scores[name][0], 2)}` : null;
  return [other.id, taskName(other.task), [other.variant, ...marks].filter(Boolean).join("; "), value];
}
function links(caption, lines) {
  const node = table(caption, ["Corpus", "Run", "Score, %"], lines.map(([id, name, run, value]) =>
    el("tr", null,
      el("td", null, el("button", { class: "open", type: "button", "data-open": id }, name)),
      el("td", null, run), el("td", { class: "number" }, value === null ? unknown() : value))));
  node.classList.add("runs");
  return node;
}
function leads(row) {
  if (!row.links || !row.links.length) return [];
  return [el("ul", { class: "leads" }, ...row.links.map(([words, address]) => el("li", null, el("a", { href: address, rel: "noreferrer" }, words))))];
}

function facts(sections) {
  return sections.flatMap(([heading, pairs]) => [
    el("h3", null, heading),
    el("dl", null, ...pairs.flatMap(([name, value]) => [
      el("dt", null, name), el("dd", { class: /^[0-9a-f]{40,}$/.test(value) ? "hash" : null }, value)])),
  ]);
}

function command([heading, text]) {
  const pre = el("pre", { tabindex: "0" }, text);
  const said = el("span", { role: "status", class: "small" });
  const button = el("button", { type: "button", class: "copier", "aria-label": `Copy: ${heading}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(pre);
      said.textContent = "Selected: copy it with the keyboard.";
    }
  });
  return [el("h3", null, heading), pre, el("div", { class: "copy" }, button, said)];
}
const commands = (row) => (row.commands || []).flatMap(command);

function panelOf(row) {
  if (row.entries) {
    return [
      ...leads(row),
      el("h3", null, "Corpora"),
      links("Corpora that it ran on", Object.values(row.entries).map((id) => linkTo(byId.get(id)))),
      ...commands(row), ...facts(row.facts),
    ];
  }
  if (!row.measured) {
    return [
      ...leads(row),
      el("h3", null, "Figure, as reported"),
      table("Reported scores, in percent", ["Score", "%"], Object.entries(row.scores).map(([name, found]) =>
        el("tr", null, el("th", { scope: "row" }, labels[name]), figure(found)))),
      ...facts(row.facts), ...others(row),
    ];
  }
  return [
    ...leads(row),
    ...(row.members ? [el("h3", null, "Seeds"), links("The runs of this mean", row.members.map((id) => linkTo(byId.get(id))))] : []),
    el("h3", null, "Scores by entity type"), byType(row),
    ...shares("Mentions seen in the training split, and others", row, ["strict_recall_seen", "strict_recall_unseen"]),
    ...shares("Strings, once a sentence", row, ["string_f1", "string_precision", "string_recall"]),
    ...shares("How the answers could be read", row, ["json_valid", "json_extracted", "json_repaired", "json_failed", "output_cut"]),
    ...sure(row),
    ...shares("Errors", row, ["hallucination_rate", "surplus_rate", "false_positive_rate"]),
    ...commands(row), ...facts(row.facts || []), ...others(row),
  ];
}

function showPanel() {
  const row = byId.get(state.open);
  opener = opener || state.open;
  if (!row) {
    if (panel.open) panel.close();
    return;
  }
  $("panel-title").textContent = row.title;
  const said = [kinds.get(row.kind), row.entries ? "" : taskName(row.task), row.variant, ...(row.marks || []).map(([, words]) => words)];
  $("panel-about").textContent = said.filter(Boolean).join(" · ");
  content.replaceChildren(...panelOf(row));
  if (!panel.open) panel.showModal();
  panel.scrollTop = 0;
  $("close").focus();
}
function open(id) {
  state.open = id;
  toHash();
  showPanel();
}

/* What is ticked for a comparison, and the way there. */
function pick(setup, chosen) {
  const left = [state.a, state.b].filter((each) => each && each !== setup);
  const [a = "", b = ""] = chosen ? [...left, setup].slice(-2) : left;
  change({ a, b });
}
function showPicked() {
  const chosen = [state.a, state.b].filter(Boolean);
  for (const box of document.querySelectorAll("[data-pick]")) box.checked = chosen.includes(box.dataset.pick);
  const bar = $("picked");
  bar.hidden = !chosen.length || state.task === "compare";
  const names = chosen.map((setup) => setups.get(setup).title);
  const words = names.length === 2 ? `${names[0]} and ${names[1]}` : `${names[0]}: tick another system to compare it with.`;
  bar.replaceChildren(el("span", { class: "title" }, chosen.length ? words : ""),
    chosen.length === 2 ? el("button", { type: "button", "data-go": "compare" }, "Compare") : "",
    chosen.length ? el("button", { type: "button", "data-go": "clear" }, "Clear") : "");
}

function drawer(shown) {
  $("drawer").setAttribute("aria-expanded", String(shown));
  form.classList.toggle("shown", shown);
  if (shown) form.elements.match[0].focus();
}

document.addEventListener("click", (event) => {
  const at = (selector) => event.target.closest(selector);
  const button = at("[data-open]"), link = at("[data-view]"), jump = at("a[href^='#']"), go = at("[data-go]");
  if (button) {
    if (!panel.contains(button)) opener = button.dataset.open;
    open(button.dataset.open);
  } else if (link) {
    event.preventDefault();
    view(link.dataset.view);
  } else if (go) {
    if (go.dataset.go === "compare") view("compare");
    else change({ a: "", b: "" });
  } else if (event.target === panel || at("#close")) {
    panel.close();
  } else if (at("#drawer")) {
    drawer($("drawer").getAttribute("aria-expanded") !== "true");
  } else if (at("#done")) {
    drawer(false);
    $("drawer").focus();
  } else if (jump) {
    /* A jump inside the page must not take the place of the view in the address. */
    event.preventDefault();
    const place = $(jump.getAttribute("href").slice(1));
    place.scrollIntoView();
    place.focus({ preventScroll: true });
  }
});
document.addEventListener("change", (event) => {
  if (event.target.dataset.pick) pick(event.target.dataset.pick, event.target.checked);
  else if (event.target.id === "a" || event.target.id === "b") change({ [event.target.id]: event.target.value });
});
panel.addEventListener("close", () => {
  state.open = "";
  toHash();
  const back = opener;
  opener = "";
  const from = [...document.querySelectorAll("main [data-open]")].find((button) => button.dataset.open === back && button.checkVisibility());
  (from || $("results")).focus();
});
form.addEventListener("input", () => {
  const chosen = new FormData(form);
  change({
    group: chosen.get("group"), type: chosen.get("type") || "", kinds: chosen.getAll("kind"),
    match: chosen.get("match"), reported: chosen.has("reported"), q: chosen.get("q"),
  });
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", (event) => {
  event.preventDefault();
  change({ ...START, kinds: [...START.kinds], task: state.task, sort: startSort(state.task), a: state.a, b: state.b });
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && form.classList.contains("shown")) {
    drawer(false);
    $("drawer").focus();
  }
});

/* With the script running: heads sort, names open panels, one table is shown at a time. */
function start() {
  for (const head of document.querySelectorAll("th[data-key]")) {
    const key = head.dataset.key;
    const button = el("button", { class: "sort", type: "button" }, head.textContent.trim());
    button.addEventListener("click", () => {
      change({ sort: key, down: state.sort === key ? !state.down : !lowFirst.has(key) });
    });
    head.replaceChildren(button);
  }
  for (const line of document.querySelectorAll("#reports [data-row]")) {
    const title = line.querySelector(".title");
    title.replaceWith(el("button", { class: "open", type: "button", "aria-haspopup": "dialog", "data-open": line.dataset.row }, title.textContent));
  }
  for (const name of document.querySelectorAll("[data-reference]")) {
    name.replaceWith(el("button", { class: "open", type: "button", "aria-haspopup": "dialog", "data-open": name.dataset.reference }, name.textContent));
  }
  for (const node of document.querySelectorAll(".script")) node.hidden = false;
  for (const side of [$("a"), $("b")]) {
    side.append(...data.systems.filter((system) => system.kind !== "reference").map((system) =>
      el("option", { value: system.setup }, system.title + (system.variant ? `, ${system.variant}` : ""))));
  }
  document.documentElement.classList.add("scripted");
  addEventListener("hashchange", restore);
  restore();
}
function restore() {
  state = fromHash();
  showForm();
  draw();
  showPanel();
}
