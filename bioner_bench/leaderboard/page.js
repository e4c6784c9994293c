"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = new Map([...data.rows, ...data.means].map((row) => [row.id, row]));
  const tasks = new Map(data.tasks.map((task, index) => [task.id, { ...task, index }]));
  const groups = new Map(data.groups.map((group) => [group.id, group]));
  const kinds = new Map(data.kinds.map(([id, name], index) => [id, { name, index }]));
  const columns = new Map(data.columns.map((column) => [column.key, column]));
  const order = new Map([...data.rows, ...data.means].map((row, index) => [row, index]));
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const lowFirst = new Set(["system", "kind", "task", "invented"]);
  const labels = {
    strict_recall_seen: "Strict recall, seen mentions", strict_recall_unseen: "Strict recall, unseen mentions",
    string_f1: "String F1", string_precision: "String precision", string_recall: "String recall",
    strict_f1: "Strict F1", strict_precision: "Strict precision", strict_recall: "Strict recall",
    relaxed_f1: "Relaxed F1", relaxed_precision: "Relaxed precision", relaxed_recall: "Relaxed recall",
    strict_f1_macro: "Strict F1, mean of types", relaxed_f1_macro: "Relaxed F1, mean of types",
    json_valid: "Valid JSON, as asked for", json_extracted: "Extracted from prose or another shape",
    json_repaired: "Repaired", json_failed: "Failed, taken as no mentions", output_cut: "Cut off before its end", hallucination_rate: "Hallucinated mentions",
    surplus_rate: "Surplus mentions", false_positive_rate: "Mention-free sentences with a mention found",
  };

  const $ = (id) => document.getElementById(id);
  const body = $("rows"), form = $("filters"), panel = $("panel"), content = $("panel-content");

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
  const count = (value) => value.toLocaleString("en-US");
  const unknown = () =>
    el("span", { class: "none" }, el("span", { "aria-hidden": "true" }, "–"), el("span", { class: "spoken" }, "not known"));

  /* The state of the page: what the reader chose. Whatever differs from the start stands in the address. */
  const START = { task: "", type: "", kinds: [...kinds.keys()], match: "strict", reported: true, q: "", sort: "task", down: false, open: "" };
  let state = { ...START };

  function fromHash() {
    const given = new URLSearchParams(location.hash.slice(1));
    const read = { ...START, kinds: [...START.kinds] };
    const task = given.get("task") || "";
    if (tasks.has(task) || groups.has(task) || (task.startsWith("mean:") && groups.has(task.slice(5)))) read.task = task;
    if (data.types.includes(given.get("type"))) read.type = given.get("type");
    if (given.has("kind")) read.kinds = START.kinds.filter((kind) => given.get("kind").split(",").includes(kind));
    if (given.get("match") === "relaxed") read.match = "relaxed";
    if (given.get("reported") === "0") read.reported = false;
    read.q = given.get("q") || "";
    const sort = given.get("sort") || "";
    if (columns.has(sort.replace(/^-/, ""))) {
      read.sort = sort.replace(/^-/, "");
      read.down = sort.startsWith("-");
    }
    if (byId.has(given.get("open"))) read.open = given.get("open");
    if (read.task.startsWith("mean:")) read.type = "";
    return read;
  }

  function toHash() {
    const parts = new URLSearchParams();
    if (state.task) parts.set("task", state.task);
    if (state.type) parts.set("type", state.type);
    if (state.kinds.length < START.kinds.length) parts.set("kind", state.kinds.join(","));
    if (state.match !== START.match) parts.set("match", state.match);
    if (!state.reported) parts.set("reported", "0");
    if (state.q) parts.set("q", state.q);
    if (state.sort !== START.sort || state.down !== START.down) parts.set("sort", (state.down ? "-" : "") + state.sort);
    if (state.open) parts.set("open", state.open);
    const hash = parts.toString();
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", "#" + hash);
  }

  /* What a row shows in this view. */
  const typesOf = (row) => (tasks.has(row.task) ? tasks.get(row.task).types : []);
  function score(row, column) {
    if (!column.score) return null;
    let name = column.score.replace("{match}", state.match);
    if (state.type && typesOf(row).length > 1) {
      if (column.score.startsWith("{match}")) name += "_" + state.type;
      else if (column.key !== "json") return null;
    }
    return row.scores[name] || null;
  }

  function visible() {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const mean = state.task.startsWith("mean:");
    const members = groups.has(state.task) ? groups.get(state.task).tasks : state.task ? [state.task] : null;
    return (mean ? data.means : data.rows).filter((row) => {
      if (mean ? row.task !== state.task.slice(5) : members && !members.includes(row.task)) return false;
      if (!state.kinds.includes(row.kind) || (!row.measured && !state.reported)) return false;
      if (state.type) {
        const types = typesOf(row);
        if (!types.includes(state.type)) return false;
        if (!row.measured && types.length > 1) return false;
      }
      const text = `${row.title} ${row.system} ${row.words}`.toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }

  function sorted(rows) {
    const column = columns.get(state.sort), sign = state.down ? -1 : 1;
    const key = {
      system: (row) => row.title,
      kind: (row) => kinds.get(row.kind).index,
      task: (row) => (tasks.has(row.task) ? tasks.get(row.task).index : 0),
      sentences: (row) => row.sentences,
    }[column.key] || ((row) => (score(row, column) || [null])[0]);
    const keys = new Map(rows.map((row) => [row, key(row)]));
    return [...rows].sort((a, b) => {
      const x = keys.get(a), y = keys.get(b);
      if (column.score && a.partial !== b.partial) return a.partial ? 1 : -1;
      if ((x === null) !== (y === null)) return x === null ? 1 : -1;
      const by = x === null ? 0 : typeof x === "string" ? collator.compare(x, y) : x - y;
      return sign * by || order.get(a) - order.get(b);
    });
  }

  function whisker([value, low, high]) {
    const at = (share) => (2 + 100 * share).toFixed(1);
    return svg("svg", { class: "whisker", viewBox: "0 0 104 12", "aria-hidden": "true" },
      svg("path", { d: "M2 6H102M2 3.5V8.5M52 3.5V8.5M102 3.5V8.5" }),
      ...(low === null ? [] : [svg("path", { class: "interval", d: `M${at(low)} 6H${at(high)}M${at(low)} 2.5V9.5M${at(high)} 2.5V9.5` })]),
      svg("circle", { cx: at(value), cy: "6", r: "2.7" }));
  }

  const testsApply = () => state.match === "strict" && !state.type;
  const marksOf = (row) => row.marks.filter(([look]) => testsApply() || !["best", "tied"].includes(look));

  function line(row, first) {
    const marks = marksOf(row);
    const system = el("th", { class: "system", scope: "row", role: "rowheader" },
      el("button", { class: "open", type: "button", "aria-haspopup": "dialog", "data-open": row.id }, row.title),
      el("span", { class: "about" },
        row.variant ? el("span", null, row.variant) : null,
        ...marks.map(([look, words]) => el("span", { class: "mark " + look }, words))));
    const looks = [...marks.map(([look]) => look), first ? "first" : ""].filter(Boolean).join(" ");
    const node = el("tr", { role: "row", class: looks || null }, system);
    for (const column of data.columns.slice(1)) {
      const cell = el("td", { class: column.key, role: "cell", "data-label": labelOf(column) });
      if (column.key === "kind") cell.append(kinds.get(row.kind).name);
      else if (column.key === "task") cell.append(taskName(row.task));
      else if (column.key === "sentences") cell.append(row.sentences === null ? unknown() : count(row.sentences));
      else {
        const found = score(row, column);
        if (!found) cell.append(unknown());
        else if (column.key !== "f1") cell.append(percent(found[0]));
        else {
          cell.append(el("span", { class: "figures" },
            el("b", null, percent(found[0])),
            el("span", { class: "range" }, found[1] === null ? "" : `[${percent(found[1])}, ${percent(found[2])}]`),
            whisker(found)));
        }
      }
      node.append(cell);
    }
    return node;
  }

  const taskName = (id) => (tasks.has(id) ? tasks.get(id).name : groups.has(id) ? `mean, ${groups.get(id).name}` : id);
  function labelOf(column) {
    const matched = column.score && column.score.startsWith("{match}");
    return matched ? `${state.match === "strict" ? "Strict" : "Relaxed"} ${column.key === "f1" ? "F1" : column.full.toLowerCase()}` : column.full;
  }

  function notes(rows) {
    const mean = state.task.startsWith("mean:");
    const all = (mean ? data.means.filter((row) => row.task === state.task.slice(5)) : data.rows).length;
    const column = columns.get(state.sort);
    const way = column.score || column.key === "sentences" ? (state.down ? "highest first" : "lowest first") : state.down ? "descending" : "ascending";
    const said = [`${rows.length} of ${all} rows shown, sorted by ${labelOf(column)}, ${way}.`];
    const hidden = state.reported || mean ? 0 : data.rows.filter((row) => !row.measured).length;
    if (hidden) said.push(`All ${hidden} reported figures are hidden.`);
    if (mean) {
      const { tasks: members, incomplete } = groups.get(state.task.slice(5));
      said.push(`Unweighted means over ${members.map(taskName).join("; ")}: without intervals or tests.`);
      if (incomplete) said.push(`Systems measured on some of these corpora only are left out (${incomplete}).`);
    } else {
      if (state.type) said.push(`F1, precision and recall are of ${state.type} alone.`);
      if (!testsApply()) said.push("Significance was tested for strict F1 over all types, so it is not marked here.");
    }
    return said;
  }

  function draw() {
    const rows = sorted(visible());
    const lines = rows.map((row, index) => line(row, state.sort === "task" && index > 0 && rows[index - 1].task !== row.task));
    if (!lines.length) {
      lines.push(el("tr", { role: "row" }, el("td", { class: "empty", role: "cell", colspan: data.columns.length },
        !data.rows.length ? "There are no results yet."
          : state.task.startsWith("mean:") ? "No system that fits these filters was measured on all corpora of the group."
            : "No row fits these filters.")));
    }
    body.replaceChildren(...lines);
    $("match-head").textContent = state.match === "strict" ? "Strict match" : "Relaxed match";
    for (const head of document.querySelectorAll("th[data-key]")) {
      if (head.dataset.key === state.sort) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    const [shown, ...more] = notes(rows);
    if ($("count").textContent !== shown) $("count").textContent = shown;
    if ($("view").textContent !== more.join(" ")) $("view").textContent = more.join(" ");
  }

  /* The form shows the state, and offers what goes together: types that a corpus has, corpora with a type. */
  function showForm() {
    form.elements.task.value = state.task;
    form.elements.type.value = state.type;
    form.elements.match.value = state.match;
    form.elements.reported.checked = state.reported;
    if (form.elements.q.value !== state.q) form.elements.q.value = state.q;
    for (const box of form.querySelectorAll("[name=kind]")) box.checked = state.kinds.includes(box.value);
    const mean = state.task.startsWith("mean:");
    const chosen = groups.has(state.task) ? groups.get(state.task).tasks : state.task ? [state.task] : [...tasks.keys()];
    const offered = new Set(mean ? [] : chosen.flatMap((task) => (tasks.has(task) ? tasks.get(task).types : [])));
    for (const option of form.elements.type.options) option.disabled = option.value !== "" && !offered.has(option.value);
    for (const option of form.elements.task.options) {
      const members = groups.has(option.value) ? groups.get(option.value).tasks : [option.value];
      option.disabled = Boolean(state.type && option.value) &&
        !members.some((task) => tasks.has(task) && tasks.get(task).types.includes(state.type));
    }
  }

  function change(part) {
    state = { ...state, ...part };
    showForm();
    draw();
    toHash();
  }

  /* The panel of a row. `opener` is the row whose button takes the focus back. */
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
    return table("Scores by entity type, in percent, with 95 % intervals",
      ["Type", ...(row.counts ? ["Gold", "Predicted"] : []), "Strict F1", "Precision", "Recall", "Relaxed F1", "Precision", "Recall"], lines);
  }

  function shares(caption, row, names) {
    const known = names.filter((name) => row.scores[name]);
    if (!known.length) return [];
    const node = table(caption + ", in percent", ["Score", "%", "95 % interval", ""], known.map((name) => {
      const [value, low, high] = row.scores[name];
      return el("tr", null, el("th", { scope: "row" }, labels[name]), el("td", null, percent(value, 2)),
        el("td", null, low === null ? unknown() : `[${percent(low, 2)}, ${percent(high, 2)}]`),
        el("td", null, svg("svg", { class: "bar", viewBox: "0 0 100 8", "aria-hidden": "true" },
          svg("path", { d: "M0 4H100" }), svg("path", { d: `M0 4H${(100 * value).toFixed(1)}` }))));
    }));
    node.classList.add("shares");
    return [el("h3", null, caption), node];
  }

  function others(row) {
    const found = data.rows.filter((other) => other.system === row.system && other !== row);
    if (!found.length) return [];
    return [el("h3", null, "The same system elsewhere"), links("Other rows of this system", found.map((other) => {
      const [name, value] = headline(other);
      const marks = other.marks.filter(([look]) => !["best", "tied"].includes(look)).map(([, words]) => words);
      return [other.id, taskName(other.task), [other.variant, ...marks].filter(Boolean).join("; "), value === null ? null : `${labels[name]} ${percent(value, 2)}`];
    }))];
  }
  function headline(row) {
    const name = ["strict_f1", ...Object.keys(row.scores)].find((each) => row.scores[each]);
    return name ? [name, row.scores[name][0]] : ["", null];
  }
  function links(caption, lines) {
    const node = table(caption, ["Corpus", "Run", "Score, %"], lines.map(([id, name, run, value]) =>
      el("tr", null,
        el("td", null, el("button", { class: "open", type: "button", "data-open": id }, name)),
        el("td", null, run), el("td", { class: "number" }, value === null ? unknown() : value))));
    node.classList.add("runs");
    return node;
  }

  function facts(sections) {
    return sections.flatMap(([heading, pairs]) => [
      el("h3", null, heading),
      el("dl", null, ...pairs.flatMap(([name, value]) => [
        el("dt", null, name), el("dd", { class: /^[0-9a-f]{40,}$/.test(value) ? "hash" : null }, value)])),
    ]);
  }

  function command(text) {
    const pre = el("pre", { tabindex: "0" }, text);
    const said = el("span", { role: "status", class: "small" });
    const button = el("button", { type: "button", id: "copy" }, "Copy the command");
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text);
        said.textContent = "Copied.";
      } catch {
        getSelection().selectAllChildren(pre);
        said.textContent = "Selected: copy it with the keyboard.";
      }
    });
    return [el("h3", null, "Command"), pre, el("div", { class: "copy" }, button, said)];
  }

  function panelOf(row) {
    if (row.members) {
      return [
        el("p", { class: "small" }, "Unweighted means over the corpora of the group. Of several seeds a corpus counts their mean."),
        el("h3", null, "Corpora"),
        links("Strict F1 by corpus", row.members.map((id) => {
          const run = byId.get(id);
          return [id, taskName(run.task), run.variant, `Strict F1 ${percent(run.scores.strict_f1[0], 2)}`];
        })),
        el("h3", null, "Means"),
        table("Means, in percent", ["Score", "%"], Object.entries(row.scores).map(([name, found]) =>
          el("tr", null, el("th", { scope: "row" }, labels[name]), figure(found)))),
      ];
    }
    if (!row.measured) {
      return [
        el("h3", null, "Figure, as reported"),
        table("Reported scores, in percent", ["Score", "%"], Object.entries(row.scores).map(([name, found]) =>
          el("tr", null, el("th", { scope: "row" }, labels[name]), figure(found)))),
        ...facts(row.facts), ...others(row),
      ];
    }
    return [
      el("h3", null, "Scores by entity type"), byType(row),
      ...shares("Mentions seen in the training split, and others", row, ["strict_recall_seen", "strict_recall_unseen"]),
      ...shares("Strings, once a sentence", row, ["string_f1", "string_precision", "string_recall"]),
      ...shares("How the answers could be read", row, ["json_valid", "json_extracted", "json_repaired", "json_failed", "output_cut"]),
      ...shares("Errors", row, ["hallucination_rate", "surplus_rate", "false_positive_rate"]),
      ...(row.command === null ? [] : command(row.command)),
      ...facts(row.facts), ...others(row),
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
    const said = [kinds.get(row.kind).name, taskName(row.task), row.variant, ...row.marks.map(([, words]) => words)];
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

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-open]"), jump = event.target.closest("a[href^='#']");
    if (button) {
      if (body.contains(button)) opener = button.dataset.open;
      open(button.dataset.open);
    } else if (event.target === panel || event.target.closest("#close")) {
      panel.close();
    } else if (jump) {
      /* A jump inside the page must not take the place of the view in the address. */
      event.preventDefault();
      const place = $(jump.getAttribute("href").slice(1));
      place.scrollIntoView();
      place.focus({ preventScroll: true });
    }
  });
  panel.addEventListener("close", () => {
    state.open = "";
    toHash();
    const back = opener;
    opener = "";
    const from = [...body.querySelectorAll("[data-open]")].find((button) => button.dataset.open === back);
    (from || $("search")).focus();
  });

  form.addEventListener("input", () => {
    const chosen = new FormData(form);
    const task = chosen.get("task");
    change({
      task, type: task.startsWith("mean:") ? "" : chosen.get("type") || "", kinds: chosen.getAll("kind"),
      match: chosen.get("match"), reported: chosen.has("reported"), q: chosen.get("q"),
    });
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    change({ ...START, kinds: [...START.kinds] });
  });
  addEventListener("hashchange", () => {
    state = fromHash();
    showForm();
    draw();
    showPanel();
  });

  for (const head of document.querySelectorAll("th[data-key]")) {
    const key = head.dataset.key;
    const button = el("button", { class: "sort", type: "button" }, head.textContent.trim());
    button.addEventListener("click", () => {
      change({ sort: key, down: state.sort === key ? !state.down : !lowFirst.has(key) });
    });
    head.replaceChildren(button);
  }
  form.hidden = false;
  $("view").hidden = false;
  state = fromHash();
  showForm();
  draw();
  showPanel();
})();
