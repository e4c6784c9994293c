/* Two systems held against each other: the paired bootstrap of `bioner_bench.evaluation.bootstrap`, on the counts
   of each document that the page holds. Whole documents are drawn, and of several seeds the seeds too. */
const RESAMPLES = 10000, SEED = 1234;

/* A generator of 32 bits (mulberry32): the same numbers in every browser. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/* Counts as `page_counts.pack` writes them: a digit of base 62 each, (75) above, 0{12} for twelve in a row. */
function unpack(text) {
  const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const values = [];
  for (const [, above, digit, times] of text.matchAll(/(?:\((\d+)\)|([0-9A-Za-z]))(?:\{(\d+)\})?/g)) {
    const value = above === undefined ? digits.indexOf(digit) : Number(above);
    for (let left = times === undefined ? 1 : Number(times); left > 0; left--) values.push(value);
  }
  return values;
}

/* Sums of all columns in each resample. Documents with equal counts are one row that is drawn more often. */
function resample(table, names, units) {
  const rows = [], classes = new Map(), unitClass = new Int32Array(units);
  for (let unit = 0; unit < units; unit++) {
    const row = names.map((name) => table[name][unit]);
    const key = row.join();
    if (!classes.has(key)) {
      classes.set(key, rows.length);
      rows.push(row);
    }
    unitClass[unit] = classes.get(key);
  }
  const random = generator(SEED), drawn = new Int32Array(rows.length), width = names.length;
  const flat = Float64Array.from(rows.flat()), sums = names.map(() => new Float64Array(RESAMPLES));
  for (let sample = 0; sample < RESAMPLES; sample++) {
    drawn.fill(0);
    for (let unit = 0; unit < units; unit++) drawn[unitClass[(random() * units) | 0]]++;
    for (let column = 0; column < width; column++) {
      let sum = 0;
      for (let row = 0; row < rows.length; row++) sum += drawn[row] * flat[row * width + column];
      sums[column][sample] = sum;
    }
  }
  return Object.fromEntries(names.map((name, column) => [name, sums[column]]));
}

const share = (part, whole) => (whole ? part / whole : 0);
const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
function variance(values, ddof = 0) {
  const mean = meanOf(values);
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - ddof);
}
const expansion = (units) => (units > 1 ? Math.sqrt(units / (units - 1)) : 1);

/* The mean over drawn seeds in each resample, spread as far as k of k draws fall short of it. */
function overSeeds(runs, random) {
  const seeds = runs.length;
  if (seeds === 1) return runs[0];
  const values = new Float64Array(RESAMPLES), times = new Float64Array(seeds);
  for (let sample = 0; sample < RESAMPLES; sample++) {
    times.fill(0);
    for (let draw = 0; draw < seeds; draw++) times[(random() * seeds) | 0]++;
    for (let seed = 0; seed < seeds; seed++) {
      values[sample] += (1 / seeds + expansion(seeds) * (times[seed] / seeds - 1 / seeds)) * runs[seed][sample];
    }
  }
  return values;
}

/* Student's and the normal distribution. */
function logGamma(x) {
  const parts = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 0.1208650973866179e-2, -0.5395239384953e-5];
  const base = x + 5.5 - (x + 0.5) * Math.log(x + 5.5);
  return -base + Math.log((2.5066282746310005 * parts.reduce((sum, part, index) => sum + part / (x + 1 + index), 1.000000000190015)) / x);
}
function betaFraction(x, a, b) {
  let c = 1, d = 1 / (1 - ((a + b) * x) / (a + 1)), result = d;
  for (let m = 1; m < 2000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + even * d);
    c = 1 + even / c;
    result *= d * c;
    d = 1 / (1 + odd * d);
    c = 1 + odd / c;
    result *= d * c;
    if (Math.abs(d * c - 1) < 1e-14) break;
  }
  return result;
}
function incompleteBeta(x, a, b) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x));
  return x < (a + 1) / (a + b + 2) ? (front * betaFraction(x, a, b)) / a : 1 - (front * betaFraction(1 - x, b, a)) / b;
}
function student(t, freedom) {
  const tail = incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2;
  return t > 0 ? 1 - tail : tail;
}
const normal = (z) => student(z, 1e5);
function inverse(distribution, level) {
  let low = -1e4, high = 1e4;
  for (let step = 0; step < 90; step++) {
    const middle = (low + high) / 2;
    if (distribution(middle) < level) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/* Degrees of freedom of a variance that is a sum: of documents, and of the seeds of each side. */
function freedomOf(units, byDocuments, sides) {
  const parts = [[variance(byDocuments), units - 1]];
  for (const side of sides) if (side.length > 1) parts.push([variance(side, 1) / side.length, side.length - 1]);
  const below = parts.reduce((sum, [part, freedom]) => sum + (freedom ? part ** 2 / freedom : 0), 0);
  return below ? parts.reduce((sum, [part]) => sum + part, 0) ** 2 / below : units - 1;
}
function quantile(ordered, level) {
  const at = level * (ordered.length - 1), below = Math.floor(at);
  return ordered[below] + (at - below) * ((ordered[below + 1] ?? ordered[below]) - ordered[below]);
}

/* A minus B: the values of each run in each resample, and those observed. */
function tested(values, observed, units) {
  const byDocuments = new Float64Array(RESAMPLES);
  for (let sample = 0; sample < RESAMPLES; sample++) {
    byDocuments[sample] = meanOf(values[0].map((run) => run[sample])) - meanOf(values[1].map((run) => run[sample]));
  }
  const freedom = freedomOf(units, byDocuments, observed);
  const random = generator(SEED + 1), [a, b] = values.map((side) => overSeeds(side, random));
  const means = observed.map(meanOf), difference = means[0] - means[1];
  const differences = a.map((value, sample) => value - b[sample]);
  const extreme = differences.reduce((sum, value) => sum + (Math.abs(value - difference) >= Math.abs(difference) - 1e-12), 0);
  const seeds = observed.some((side) => side.length > 1);
  const error = Math.sqrt(variance(differences)) * expansion(units);
  const shown = (low, high, p) => ({ a: means[0], b: means[1], difference, low, high, p: Math.max(p, 1e-12) });
  const studentP = () => (difference ? 2 * student(-Math.abs(difference) / error, freedom) : 1);
  if (seeds && freedom > 0) {
    const half = -inverse((t) => student(t, freedom), 0.025) * error;
    return shown(difference - half, difference + half, studentP());
  }
  let p = 1, level = 0.025;
  if (freedom > 0) {
    level = normal(expansion(units) * inverse((t) => student(t, freedom), level));
    const counted = Math.min(1, (extreme + 1) / (RESAMPLES + 1));
    // What fewer than ten draws would decide is not counted.
    p = extreme < 10 && error > 1e-9 ? studentP() : 2 * student(inverse(normal, counted / 2) / expansion(units), freedom);
  }
  const ordered = differences.toSorted();
  return shown(quantile(ordered, level), quantile(ordered, 1 - level), p);
}

/* Every comparison of two systems on a corpus: over all types, of each type, and of seen and unseen mentions. */
function compareOn(task, sides) {
  const { units, gold, runs } = task.counts;
  const table = {};
  for (const [name, text] of Object.entries(gold)) table[name] = unpack(text);
  for (const place of sides.flat()) {
    for (const [name, text] of Object.entries(runs[place])) table[`${place} ${name}`] = unpack(text);
  }
  const names = Object.keys(table), sums = resample(table, names, units);
  const whole = Object.fromEntries(names.map((name) => [name, Float64Array.of(table[name].reduce((sum, value) => sum + value, 0))]));
  const f1 = (types) => (of, place, sample) => {
    let correct = 0, marked = 0;
    for (const type of types) {
      correct += of[`${place} strict/${type}`][sample];
      marked += of[`${place} predicted/${type}`][sample] + of[`gold/${type}`][sample];
    }
    return share(2 * correct, marked);
  };
  const recall = (part) => (of, place, sample) => share(of[`${place} ${part}_strict`][sample], of[part][sample]);
  const scores = [["", "Strict F1", f1(task.types)]];
  if (task.types.length > 1) for (const type of task.types) scores.push(["type", type, f1([type])]);
  if (gold.seen !== undefined) scores.push(["part", "Recall, seen", recall("seen")], ["part", "Recall, unseen", recall("unseen")]);
  return scores.map(([kind, name, formula]) => {
    const values = sides.map((side) => side.map((place) => Float64Array.from({ length: RESAMPLES }, (_, sample) => formula(sums, place, sample))));
    const observed = sides.map((side) => side.map((place) => formula(whole, place, 0)));
    return { kind, name, ...tested(values, observed, units) };
  });
}

/* p values of tests that make one statement together, as `holm` corrects them. */
function holm(values) {
  const adjusted = [], order = values.map((_, index) => index).sort((x, y) => values[x] - values[y]);
  let largest = 0;
  order.forEach((index, rank) => {
    largest = Math.max(largest, Math.min(1, (values.length - rank) * values[index]));
    adjusted[index] = largest;
  });
  return adjusted;
}

const points = (value) => (value < 0 ? "−" : "+") + Math.abs(100 * value).toFixed(1);
const found = new Map();
let asked = 0;

function compareRow(task, result) {
  const sure = result.p < 0.05;
  const cells = [percent(result.a), percent(result.b), points(result.difference), `[${points(result.low)}, ${points(result.high)}]`,
    result.p < 0.001 ? "<\u00a00.001" : result.p.toFixed(3)];
  const heads = ["A", "B", "A − B", "95 % interval", "p"];
  return el("tr", { class: [result.kind || "whole", sure ? "sure" : ""].filter(Boolean).join(" "), "data-task": task.id, "data-score": result.name },
    el("th", { scope: "row" }, result.kind ? result.name : task.name),
    ...cells.map((text, index) => el("td", { "data-label": heads[index], class: index === 2 ? (result.difference < 0 ? "less" : "more") : null }, text)));
}

function drawComparison() {
  for (const side of ["a", "b"]) $(side).value = state[side];
  const mine = ++asked, pair = [state.a, state.b].map((setup) => setups.get(setup));
  $("comparison").replaceChildren();
  if (!pair[0] || !pair[1] || pair[0] === pair[1]) {
    $("verdict").textContent = pair[0] && pair[0] === pair[1] ? "These are the same system; choose two." : "Choose two systems, here or by ticking them in a table.";
    return;
  }
  const entries = (task, system) => data.rows.find((row) => row.task === task.id && row.setup === system.setup && !row.partial && !row.older && row.measured);
  const common = data.tasks.map((task) => [task, pair.map((system) => entries(task, system))]).filter(([task, [a, b]]) => a && b && task.counts);
  const places = (entry) => entry.members || [entry.id];
  const ready = common.map(([task, both]) => [task, both.map(places)])
    .filter(([task, sides]) => sides.flat().every((place) => task.counts.runs[place]));
  if (!ready.length) {
    $("verdict").textContent = "No corpus was answered by both in full.";
    return;
  }
  $("verdict").textContent = "Drawing documents…";
  const results = [];
  function next() {
    if (mine !== asked) return;
    if (results.length < ready.length) {
      const [task, sides] = ready[results.length], key = JSON.stringify([task.id, sides]);
      if (!found.has(key)) found.set(key, compareOn(task, sides));
      results.push([task, found.get(key)]);
      setTimeout(next);
      return;
    }
    const rows = results.flatMap(([task, scores]) => scores.map((result) => compareRow(task, result)));
    $("comparison").replaceChildren(table("A minus B, strict, in percent and points", ["Corpus", "A", "B", "A − B", "95 % interval", "p"], rows));
    $("verdict").textContent = verdict(pair, results.map(([, scores]) => scores[0]));
  }
  setTimeout(next);
}
function verdict(pair, scores) {
  const adjusted = holm(scores.map((each) => each.p));
  const where = (number) => (scores.length === 1 ? "the one corpus that both answered" : `${number} of ${scores.length} corpora`);
  const together = scores.length > 1 ? " after Holm's correction for all of them" : "";
  const said = ["A", "B"].flatMap((side, index) => {
    const better = scores.filter((each, place) => adjusted[place] < 0.05 && each.difference > 0 === (side === "A")).length;
    return better ? [`${side}, ${pair[index].title}, is significantly better on ${where(better)}`] : [];
  });
  return `${said.join("; ") || `Neither is significantly better on ${scores.length === 1 ? where(1) : `any of ${scores.length} corpora`}`}${together}.`;
}

start();
