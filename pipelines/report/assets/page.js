(() => {
"use strict";

// ---- words and elements: every text goes in as a text node, so nothing a model wrote is ever read as markup

const $ = (id) => document.getElementById(id);
const number = (n) => n.toLocaleString("en");
const percent = (share) => `${(100 * share).toFixed(1)} %`;

function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, run] of Object.entries(value)) element.addEventListener(event, run);
    else if (name === "style") Object.assign(element.style, value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name === "class_" ? "class" : name, value);
  }
  return fill(element, ...children);
}
function fill(element, ...children) {
  const shown = children.flat(9).filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...shown.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

const summary = JSON.parse($("summary").textContent);

// ---- what is known at once: overview, funnel

function overview() {
  document.querySelector("h1").textContent = summary.name;
  const tile = (name, count) => h("div", { class_: "tile" }, h("b", {}, number(count)), h("span", { class_: "soft" }, name));
  const all = summary.shown === summary.samples
    ? `All ${number(summary.samples)} samples are on this page.`
    : `Counts and charts are of all ${number(summary.samples)} samples; ${number(summary.shown)} of them, drawn by chance with every ` +
      "split and every reason among them, can be looked at below.";
  const about = [
    ["Sources", summary.sources.map((s) => `${s.name} (${s.license || "licence not stated"})`).join(", ")],
    ["Models", summary.models.map((m) => `${m.name} = ${m.model}`).join(", ")],
    ["Content", `${summary.content.slice(0, 12)}, made by curate ${summary.code}`],
  ];
  fill($("overview"),
    h("div", { class_: "tiles" }, tile("samples came in", summary.samples),
      Object.entries(summary.configs).map(([name, rows]) => tile(`rows in ${name}`, rows))),
    summary.description ? h("p", { class_: "text" }, summary.description) : null,
    h("dl", { class_: "facts" }, about.filter(([, words]) => words).map(([name, words]) => [h("dt", {}, name), h("dd", {}, words)])),
    h("p", { class_: "note", id: "shown" }, all),
    summary.loss ? h("p", { class_: "note", id: "loss" }, summary.loss) : null,
  );
}

function funnel() {
  const rows = summary.steps.map((step) => {
    const lost = Object.values(step.dropped).reduce((a, b) => a + b, 0);
    const share = (part) => ({ width: `${step.in ? (100 * part) / step.in : 0}%` });
    const reasons = Object.entries(step.dropped).map(([reason, count]) =>
      h("button", { class_: "chip", type: "button", title: "Show these samples", on: { click: () => only({ step: step.step, reason }) } },
        `${reason} ${number(count)}`));
    return h("tr", { "data-step": step.step },
      h("td", {}, step.step), h("td", { class_: "soft" }, step.unit), h("td", { class_: "num" }, number(step.in)),
      h("td", { class_: "num" }, number(step.kept)), h("td", { class_: "num" }, number(lost)),
      h("td", {}, h("span", { class_: "split", role: "img", "aria-label": `${number(step.kept)} kept, ${number(lost)} dropped` },
        h("i", { style: share(step.kept) }), h("i", { style: share(lost) }))),
      h("td", {}, reasons));
  });
  const names = ["step", "rows", "in", "kept", "dropped", "share", "dropped, by reason"];
  const head = names.map((name, i) => h("th", { class_: i > 1 && i < 5 ? "num" : "", scope: "col" }, name));
  fill($("funnel"),
    h("p", { class_: "soft" }, "In = kept + dropped, in every row. A sample may lose a trace or a caption and still be kept. Choose a reason to see its samples."),
    scroll("Funnel", h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))));
}

// What is wider than the screen scrolls inside a frame that the keyboard reaches too.
const scroll = (name, ...children) => h("div", { class_: "scroll", role: "region", "aria-label": name, tabindex: "0" }, children);

// ---- charts: drawn by Vega-Lite when they come into view, again when the colours change

const dark = () => Number(getComputedStyle(document.body).backgroundColor.match(/\d+/)[0]) < 128;
function chartConfig() {
  const style = getComputedStyle(document.body);
  const soft = getComputedStyle(document.querySelector(".soft") || document.body).color;
  const line = dark() ? "#34383e" : "#e3e5e8";
  const axis = { labelColor: soft, titleColor: soft, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: "normal", labelFontSize: 11, titleFontSize: 12, labelFlush: false };
  return { background: "transparent", font: style.fontFamily, view: { stroke: null }, axis, legend: { labelColor: soft, titleColor: soft, labelFontSize: 12, titleFontWeight: "normal" } };
}

const drawn = new Map();
async function draw(element, spec) {
  const result = await window.vegaEmbed(element, { ...spec, config: chartConfig() }, { actions: false, renderer: "svg" });
  result.view.addEventListener("click", (event, item) => { if (item && item.datum && item.datum.band) only({ band: item.datum.band }); });
}

function charts() {
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      draw(target, drawn.get(target));
    }
  }, { rootMargin: "400px" });
  const place = (section, specs, words) => {
    const figures = specs.map((spec) => h("figure", { class_: "chart", style: { margin: 0 } }));
    figures.forEach((figure, i) => { drawn.set(figure, specs[i]); watcher.observe(figure); });
    if (specs.length) $(section).append(h("p", { class_: "soft" }, words), h("div", { class_: "charts" }, figures));
    else $(section).remove();
  };
  const { difficulty, vision, lengths } = summary.charts;
  place("difficulty", difficulty, "How many of a sample's rollouts were right, over everything that could be chosen. Choose a bar to see the samples of its band.");
  place("vision", vision, summary.gain === null ? "" : "Right answers with the image against right answers to the text alone. Below the dashed line the " +
    `image does harm, on it nothing. The mean gain is ${(100 * summary.gain).toFixed(1)} points.`);
  place("lengths", lengths, "On a scale where each step doubles, with two bins to a step.");
  selection(place);
}

function selection(place) {
  if (!summary.selection.length) { $("selection").remove(); return; }
  const sets = ["candidates", "selected", "control"];
  const rows = summary.selection.map((row) => {
    const whole = sets.every((set) => row[set] === null || Number.isInteger(row[set]));
    const shown = (value) => (value === null ? "–" : whole ? number(value) : value.toFixed(3));
    return h("tr", {}, h("th", { scope: "row" }, row.figure.replaceAll("_", " ")), sets.map((set) => h("td", { class_: "num" }, shown(row[set]))));
  });
  const head = ["figure", ...sets].map((name, i) => h("th", { class_: i ? "num" : "", scope: "col" }, name));
  place("selection", summary.charts.selection, "What was chosen, beside all that could be and beside a random draw of equal size.");
  $("selection").append(scroll("Selection in numbers", h("table", { class_: "narrow" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows))));
}

// ---- data blocks: each unpacked when it is needed

async function unpack(id) {
  const text = atob($(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const chunks = new Map();
function chunk(place) {
  if (!chunks.has(place)) {
    if (chunks.size > 256) chunks.delete(chunks.keys().next().value);
    chunks.set(place, unpack(`c${place}`));
  }
  return chunks.get(place);
}
const sample = async (place) => (await chunk(Math.floor(place / summary.chunk)))[place % summary.chunk];

// ---- filters: the same codes for the census of everything and for the samples shown

const FACETS = ["outcome", "step", "reason", "source", "band"];
const TITLES = { outcome: "Where it ended", step: "Lost something at step", reason: "Reason", source: "Source", band: "Difficulty" };
const chosen = Object.fromEntries(FACETS.map((facet) => [facet, new Set()]));
let searched = "";
let page = 0;
const PAGE = 20;

const lines = (text) => (text ? text.split("\n").map((line) => ({ step: line.slice(0, line.indexOf(" ")), reason: line.slice(line.indexOf(" ") + 1) })) : []);

function values(facet, word) {
  if (facet === "step" || facet === "reason") return [...new Set(lines(word).map((line) => line[facet]))];
  return [word];
}
const column = (facet) => (facet === "step" || facet === "reason" ? "drops" : facet);

// Values of one facet are alternatives; facets narrow each other.
function admits(table, skip) {
  const tests = FACETS.filter((facet) => facet !== skip && chosen[facet].size).map((facet) => {
    const { words, codes } = table[column(facet)];
    const good = words.map((word) => values(facet, word).some((value) => chosen[facet].has(value)));
    return (i) => good[codes[i]];
  });
  return (i) => tests.every((test) => test(i));
}

function tally(facet) {
  const { census } = summary;
  const admitted = admits(census, facet);
  const { words, codes } = census[column(facet)];
  const own = words.map((word) => values(facet, word));
  const counts = new Map();
  census.samples.forEach((count, i) => {
    for (const value of own[codes[i]]) counts.set(value, (counts.get(value) || 0) + (admitted(i) ? count : 0));
  });
  return counts;
}

function order(facet, counts) {
  const steps = summary.steps.map((s) => s.step);
  const reasons = summary.steps.flatMap((s) => Object.keys(s.dropped));
  const rank = { outcome: ["sft", "rl", "holdout", "dropped"], step: steps, reason: reasons, band: summary.bands }[facet];
  const names = [...counts.keys()];
  return rank ? names.sort((a, b) => rank.indexOf(a) - rank.indexOf(b)) : names.sort();
}

let index = null;
let found = [];
const boxes = new Map();

function facetBoxes() {
  const search = h("input", { type: "search", id: "search", placeholder: "Question or id  ( / )", "aria-label": "Search questions and ids of the samples shown" });
  let timer;
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => { searched = search.value.trim().toLowerCase(); update(); }, 120); });
  const clear = h("button", { type: "button", id: "clear", on: { click: () => only({}) } }, "Clear filters");
  const sets = FACETS.map((facet) => {
    const counts = tally(facet);
    const rows = order(facet, counts).map((value) => {
      const box = h("input", { type: "checkbox", "data-facet": facet, "data-value": value });
      box.addEventListener("change", () => { chosen[facet][box.checked ? "add" : "delete"](value); update(); });
      const count = h("span", { class_: "num soft" });
      const label = h("label", {}, box, h("span", {}, value), count);
      boxes.set(`${facet} ${value}`, { box, count, label, facet, value });
      return label;
    });
    return rows.length ? h("fieldset", {}, h("legend", {}, TITLES[facet]), rows) : null;
  });
  return h("form", { class_: "facets", "aria-label": "Filters", on: { submit: (event) => event.preventDefault() } }, search, clear,
    h("details", { class_: "sets", open: !matchMedia("(max-width: 820px)").matches }, h("summary", {}, "Filters"), sets));
}

function only(wanted) {
  for (const facet of FACETS) { chosen[facet].clear(); if (wanted[facet]) chosen[facet].add(wanted[facet]); }
  searched = "";
  $("search").value = "";
  update();
  if (Object.keys(wanted).length) $("samples").scrollIntoView();
}

function update(keepPage) {
  const counts = Object.fromEntries(FACETS.map((facet) => [facet, tally(facet)]));
  for (const { box, count, label, facet, value } of boxes.values()) {
    const samples = counts[facet].get(value) || 0;
    box.checked = chosen[facet].has(value);
    count.textContent = number(samples);
    label.classList.toggle("none", samples === 0 && !box.checked);
  }
  const admitted = admits(index);
  found = [];
  index.ids.forEach((id, i) => {
    if (admitted(i) && (!searched || id.startsWith(searched) || index.questions[i].toLowerCase().includes(searched))) found.push(i);
  });
  const inAll = admits(summary.census);
  const total = summary.census.samples.reduce((sum, count, i) => sum + (inAll(i) ? count : 0), 0);
  const all = summary.shown === summary.samples;
  $("count").textContent = searched ? `${number(found.length)} of the ${number(summary.shown)} samples shown match`
    : `${number(total)} of ${number(summary.samples)} samples` + (all ? "" : ` · ${number(found.length)} of them are on this page`);
  $("count").dataset.total = total;
  $("count").dataset.found = found.length;
  if (!keepPage) page = 0;
  remember();
  return turn();
}

// ---- the list

let turning = 0;
async function turn() {
  const mine = ++turning;
  const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
  page = Math.min(Math.max(page, 0), last);
  const places = found.slice(page * PAGE, (page + 1) * PAGE);
  const rows = await Promise.all(places.map(sample));
  if (mine !== turning) return;
  $("list").replaceChildren(...(rows.length ? rows.map(card) : [h("p", { class_: "soft" }, "No sample on this page matches.")]));
  for (const pager of document.querySelectorAll("#samples .pager")) {
    pager.querySelector(".where").textContent = `Page ${number(page + 1)} of ${number(last + 1)}`;
    for (const button of pager.querySelectorAll("button")) button.disabled = button.dataset.back ? page === 0 : page === last;
  }
  $("list").dataset.ready = String(mine);
}

function pager() {
  const go = (to) => () => { page = to(); turn(); $("samples").scrollIntoView(); };
  const end = () => Math.ceil(found.length / PAGE) - 1;
  const button = (words, label, back, to) => h("button", { type: "button", "aria-label": label, "data-back": back ? "1" : null, on: { click: go(to) } }, words);
  return h("div", { class_: "pager" },
    button("«", "First page", true, () => 0), button("‹ Back", "Page before", true, () => page - 1), h("span", { class_: "where" }),
    button("Next ›", "Next page", false, () => page + 1), button("»", "Last page", false, end));
}

function images(row, words) {
  const shown = (row.images || []).map((place) => {
    const block = $(`p${place}`);
    if (!block) return h("div", { class_: "missing" }, "image not found");
    const image = h("img", { alt: words, decoding: "async" });
    image.addEventListener("load", () => image.classList.toggle("tiny", image.naturalWidth < 100));
    image.src = `data:image/webp;base64,${block.textContent}`;
    return image;
  });
  return shown.length ? h("div", { class_: "images" }, shown) : null;
}

function evidence(text, hidden = ["sample_id"]) {
  let facts;
  try { facts = JSON.parse(text); } catch { return h("span", { class_: "evidence" }, text); }
  const word = (value) => (typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));
  return h("span", { class_: "evidence" }, Object.entries(facts).filter(([key]) => !hidden.includes(key)).map(([key, value]) => `${key} ${word(value)}`).join(" · "));
}

const drop = (row, hidden) => h("div", { class_: "drop" }, h("b", {}, row.reason), " ", h("span", { class_: "soft" }, `at ${row.step}`), " ", evidence(row.evidence || "{}", hidden));

function asked(row) {
  const options = row.options && row.options.length
    ? [h("dt", {}, "Options"), h("dd", { class_: "text" }, row.options.map((o, i) => `${String.fromCharCode(65 + (i % 26))}. ${o}`).join("\n"))] : [];
  return [
    h("p", { class_: "question text" }, row.question === undefined ? "The text of this row is not in the tables." : row.question),
    h("dl", { class_: "facts" }, options,
      row.answer === undefined ? null : [h("dt", {}, "Gold answer"), h("dd", {}, h("span", { class_: "gold text" }, row.answer), " ", h("span", { class_: "soft" }, [row.kind, row.verifier && `verifier ${row.verifier}`].filter(Boolean).join(", ")))],
      (row.measures || []).map((m) => [h("dt", {}, m.model || "model"), h("dd", {}, rate(m))]),
      (row.checks || []).map((c) => [h("dt", {}, c.check), h("dd", {}, `${c.k} right of ${c.n}`, h("span", { class_: "soft" }, ` by ${c.model}`))]),
      row.caption === undefined ? null : [h("dt", {}, "Caption"), h("dd", { class_: "text" }, row.caption)]),
  ];
}

function rate(m) {
  const bar = m.n ? h("span", { class_: "rate", role: "img", "aria-label": `${m.k} of ${m.n}` }, h("i", { style: { width: percent(m.k / m.n).replace(" ", "") } }),
    m.low === undefined ? null : h("u", { style: { left: `${100 * m.low}%`, width: `${100 * (m.high - m.low)}%` } })) : null;
  const ends = m.low === undefined ? null : h("span", { class_: "soft", title: "95 % Wilson interval of the pass rate" }, ` (${m.low.toFixed(2)} to ${m.high.toFixed(2)})`);
  return h("span", {}, bar, `${m.k} right of ${m.n}`, ends);
}

const verdict = (row) => (row.correct === true ? h("span", { class_: "right" }, "right") : row.correct === false ? h("span", { class_: "wrong" }, "wrong") : h("span", { class_: "soft" }, "not scored"));
const why = (row) => [row.explanation, row.tier && `by ${row.tier}`].filter(Boolean).join(", ");

function trace(row, gone) {
  const lost = gone.filter((d) => d.id === row.id && row.id !== undefined);
  const state = lost.length ? null : h("div", {}, h("b", { class_: "right" }, "kept"), " ", h("span", { class_: "soft" }, why(row)));
  return h("div", { class_: "trace" }, state, lost.map((d) => drop(d)), h("div", { class_: "text" }, row.text || ""),
    row.rewritten === undefined ? null : h("div", {}, h("span", { class_: "soft" }, "rewritten: "), h("span", { class_: "text" }, row.rewritten)),
    row.final === undefined ? null : h("div", {}, h("span", { class_: "soft" }, "answer: "), h("span", { class_: "text" }, row.final),
      h("span", { class_: "soft" }, row.finish_reason && row.finish_reason !== "stop" ? ` (ended by ${row.finish_reason})` : "")));
}

function rollouts(rows) {
  const models = [...new Set(rows.map((row) => row.model))];
  return models.map((model) => {
    const own = rows.filter((row) => row.model === model);
    const count = (value) => own.filter((row) => (row.correct === undefined ? null : row.correct) === value).length;
    const body = own.map((row) => h("tr", {}, h("td", { class_: "num soft" }, row.index + 1), h("td", {}, verdict(row)), h("td", { class_: "text" }, row.text),
      h("td", { class_: "soft" }, [why(row), row.finish_reason !== "stop" ? `ended by ${row.finish_reason}` : ""].filter(Boolean).join(", ")), h("td", { class_: "num soft" }, row.tokens)));
    const head = ["no.", "verdict", "response", "why", "tokens"].map((name, i) => h("th", { class_: i % 4 ? "" : "num", scope: "col" }, name));
    const words = `${own.length} rollouts of ${model}: ${count(true)} right, ${count(false)} wrong` + (count(null) ? `, ${count(null)} not scored` : "");
    return h("details", {}, h("summary", {}, words), h("div", { class_: "inner" }, scroll(words, h("table", { class_: "rolls" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body)))));
  });
}

function card(row) {
  const gone = row.drops || [];
  const ids = new Set((row.traces || []).map((t) => t.id));
  const own = gone.filter((d) => !ids.has(d.id) || d.id === undefined);
  const traces = row.traces || [];
  const kept = traces.filter((t) => !gone.some((d) => d.id === t.id && t.id !== undefined)).length;
  const shown = images(row, `image of sample ${row.id}`);
  return h("article", { class_: "card", "data-id": row.id },
    h("div", { class_: "head" }, h("span", { class_: `badge ${row.outcome}` }, row.outcome), h("span", {}, row.source), h("span", { class_: "soft" }, row.band),
      h("code", { class_: "id", title: `curate why ${row.id}` }, row.id)),
    own.map((d) => drop(d)),
    h("div", { class_: shown ? "body" : "body bare" }, shown,
      h("div", {}, asked(row),
        traces.length ? h("details", { open: traces.length < 3 }, h("summary", {}, `${traces.length} ${traces.length === 1 ? "trace" : "traces"}, ${kept} kept`), h("div", { class_: "inner" }, traces.map((t) => trace(t, gone)))) : null,
        rollouts(row.rollouts || []))));
}

// ---- duplicates side by side

function duplicates() {
  const section = $("duplicates");
  const { steps } = summary;
  const dedups = steps.filter((s) => s.type === "dedup");
  if (!dedups.length) { section.remove(); return; }
  const dropped = Object.assign({}, ...dedups.map((s) => s.dropped));
  const lost = Object.values(dropped).reduce((a, b) => a + b, 0);
  if (!summary.duplicates.length) { section.append(h("p", { class_: "soft" }, "No sample was dropped as a duplicate.")); return; }
  const levels = Object.keys(dropped);
  const EACH = 3;
  let level = "", at = 0;
  const list = h("div", { id: "pairs" });
  const where = h("span", {});
  const own = () => summary.duplicates.filter((pair) => !level || pair.reason === level);
  const show = async () => {
    const rows = own(), last = Math.max(0, Math.ceil(rows.length / EACH) - 1);
    at = Math.min(Math.max(at, 0), last);
    list.replaceChildren(...(await Promise.all(rows.slice(at * EACH, (at + 1) * EACH).map(pair))));
    where.textContent = `${number(at + 1)} of ${number(last + 1)}`;
    back.disabled = at === 0; next.disabled = at === last;
  };
  const back = h("button", { type: "button", on: { click: () => { at--; show(); } } }, "‹ Back");
  const next = h("button", { type: "button", on: { click: () => { at++; show(); } } }, "Next ›");
  const choose = h("select", { "aria-label": "Level", on: { change: () => { level = choose.value; at = 0; show(); } } },
    h("option", { value: "" }, "every level"), levels.map((name) => h("option", { value: name }, `${name} (${number(dropped[name])})`)));
  section.append(
    h("p", { class_: "soft" }, `${number(lost)} samples were dropped as duplicates` + (summary.duplicates.length < lost ? `; ${number(summary.duplicates.length)} of them, drawn by chance, are here.` : ".")),
    h("div", { class_: "pager" }, choose, back, where, next), list);
  return show();
}

async function pair(row) {
  const side = async (words, id, place) => {
    const known = place === null || place === undefined ? null : await sample(place);
    const shown = known && images(known, `image of sample ${id}`);
    return h("div", {}, h("h3", {}, words, " ", h("code", { class_: "soft" }, id)),
      known ? h("div", { class_: shown ? "body" : "body bare" }, shown, h("div", {}, asked(known))) : h("p", { class_: "soft" }, "not among the samples shown"));
  };
  return h("article", { class_: "card" }, drop(row, ["kept"]),
    h("div", { class_: "pair" }, await side("Dropped", row.dropped, row.id_place), await side("Kept instead", row.kept, row.kept_place)));
}

// ---- what is chosen is kept in the address, so a view can be kept

function remember() {
  const words = new URLSearchParams();
  for (const facet of FACETS) for (const value of chosen[facet]) words.append(facet, value);
  if (searched) words.set("search", searched);
  try { history.replaceState(null, "", words.size ? `#${words}` : location.pathname); } catch { /* an address that may not be changed */ }
}

function recall() {
  if (!location.hash.includes("=")) return false;
  const words = new URLSearchParams(location.hash.slice(1));
  for (const facet of FACETS) for (const value of words.getAll(facet)) if (boxes.has(`${facet} ${value}`)) chosen[facet].add(value);
  searched = words.get("search") || "";
  $("search").value = searched;
  return true;
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.target.closest(".scroll")) return;
  if (event.key === "/") { event.preventDefault(); $("search").focus(); }
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") { page += event.key === "ArrowRight" ? 1 : -1; turn(); }
}

function theme() {
  const root = document.documentElement;
  const redraw = () => { for (const [element, spec] of drawn) if (element.firstChild) draw(element, spec); };
  $("theme").addEventListener("click", () => { root.style.colorScheme = dark() ? "light" : "dark"; redraw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

function navigation() {
  const sections = [...document.querySelectorAll("main section")].filter((s) => s.querySelector("h2"));
  document.querySelector("nav").append(...sections.map((s) => h("a", { href: `#${s.id}` }, s.querySelector("h2").textContent)));
}

async function start() {
  charts();
  duplicates();
  navigation();
  theme();
  index = await unpack("index");
  $("samples").append(h("div", { class_: "browse" }, facetBoxes(),
    h("div", {}, h("p", { class_: "count", id: "count", role: "status", "aria-live": "polite" }), pager(), h("div", { id: "list" }), pager())));
  const there = recall();
  await update();
  if (there) $("samples").scrollIntoView();
  document.addEventListener("keydown", keys);
  document.body.dataset.ready = "1";
}

overview();
funnel();
document.addEventListener("DOMContentLoaded", start);
})();
