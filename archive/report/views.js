"use strict";
// Text from the archive is data: it becomes part of the page by h(), as text, and in no other way.

const $ = (id) => document.getElementById(id);

/** An element with attributes (functions are listeners) and children (text, elements; null and false are left out). */
function h(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (name === "style") Object.assign(made.style, value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

async function unpacked(id) {
  const letters = atob($(id).textContent);
  const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  $(id).remove();
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

const percent = (share, digits = 0) => `${(share * 100).toFixed(digits)}\u00a0%`;
const fixed = (value, digits = 2) => (typeof value === "number" ? value.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−") : String(value ?? ""));
const words = (name) => name.replaceAll("_", " ");
const signed = (value, digits = 3) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

function link(number, text) {
  return h("button", { type: "button", class: "link", click: () => window.dispatchEvent(new CustomEvent("choose", { detail: number })) }, text);
}

// --- tables

function table(columns, rows, caption) {
  const numeric = columns.map((_, at) => rows.every((row) => row[at] === undefined || row[at] === null || typeof row[at] === "number"));
  const shown = (value) => (typeof value === "number" ? (Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(3)) : value ?? "–");
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h("table", {},
      h("thead", {}, h("tr", {}, columns.map((name, at) => h("th", { scope: "col", class: numeric[at] && "number" }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((_, at) => h("td", { class: numeric[at] && "number" }, shown(row[at]))))))));
}

/** A table that is made when it is opened: some are long. */
function folded(label, columns, rows) {
  const place = h("details", {}, h("summary", {}, label));
  place.addEventListener("toggle", () => place.children.length === 1 && place.append(table(columns, rows, label)));
  return place;
}

// --- numbers with intervals

/** Ends of a bar's scale: of everything that is drawn on it, with 0 and 1 (or other marks) among it. */
function scaleOf(measures, marks = [0, 1]) {
  const all = [...measures.flat(), ...marks].filter(Number.isFinite);
  return [Math.min(...all), Math.max(...all)];
}

/** An interval and its middle as a bar; thin lines at the marks. */
function track(value, low, high, [from, to], marks) {
  const at = (x) => ((x - from) / (to - from || 1)) * 100;
  return h("span", { class: "track", "aria-hidden": "true" }, marks.map((mark) => h("s", { style: { left: `${at(mark)}%` } })),
    h("i", { style: { left: `${at(low)}%`, width: `${at(high) - at(low)}%` } }), h("u", { style: { left: `calc(${at(value)}% - 1px)` } }));
}

/** Value and interval, as text and as a bar. */
function measure([value, low, high], scale = scaleOf([[value, low, high]]), marks = [0, 1]) {
  return h("span", { class: "measure" }, h("b", {}, fixed(value)), " ", h("span", { class: "quiet" }, `${fixed(low)} to ${fixed(high)}`), track(value, low, high, scale, marks));
}

/** A difference and its interval: signs, and a bar around 0. */
function difference([value, low, high], scale) {
  return h("span", { class: "measure" }, h("b", {}, signed(value, 2)), " ", h("span", { class: "quiet" }, `${signed(low, 2)} to ${signed(high, 2)}`), track(value, low, high, scale, [0]));
}

// --- the map of cells

const SMALL = 480; // tiles of the map below this part of its area, in hundredths of a percent, say less
// Cividis between its ends, dark for high scores, so that white and black text stay readable.
const RAMP = [[253, 234, 69], [203, 186, 105], [166, 157, 117], [124, 123, 120], [87, 93, 109], [53, 69, 108], [0, 42, 102]];

function shade(score) {
  const at = Math.min(0.999, Math.max(0, score)) * (RAMP.length - 1);
  const [from, to, part] = [RAMP[Math.floor(at)], RAMP[Math.floor(at) + 1], at % 1];
  const mixed = from.map((value, index) => Math.round(value + (to[index] - value) * part));
  const light = mixed[0] * 0.299 + mixed[1] * 0.587 + mixed[2] * 0.114;
  return { background: `rgb(${mixed})`, color: light > 118 ? "#111" : "#fff" };
}

function tile(cell, choose) {
  const [left, top, width, height] = cell.box.map((value) => `${value}%`);
  const elite = cell.elite;
  const said = elite ? `its elite is ${elite.id}, score ${fixed(elite.score)}, interval ${fixed(elite.low)} to ${fixed(elite.high)}` : "no program reaches it";
  return h("button", {
    type: "button", class: ["tile", !elite && "empty", cell.box[2] * cell.box[3] < SMALL && "small"].filter(Boolean).join(" "), style: { left, top, width, height, ...(elite ? shade(elite.score) : {}) }, tabindex: -1,
    title: `${cell.name}\n${percent(cell.mass, 1)} of people, ${percent(cell.best_share, 1)} of the best program's dialogues\n${said}`,
    "aria-label": `cell ${cell.cell}: ${cell.name}; ${percent(cell.mass, 1)} of people; ${said}`, "aria-disabled": elite ? null : "true",
    click: () => elite && choose(elite.number, cell.cell),
  }, h("b", {}, `${cell.cell} · ${cell.name}`), h("span", {}, `${percent(cell.mass)} of people`), h("span", { class: "more" }, `best program ${percent(cell.best_share)}`), h("span", { class: "score" }, elite ? fixed(elite.score) : "empty"));
}

function showCells(data, choose) {
  const cells = data.cells, held = cells.filter((cell) => cell.elite);
  const mass = (some) => some.reduce((sum, cell) => sum + cell.mass, 0);
  const overlap = cells.reduce((sum, cell) => sum + Math.min(cell.mass, cell.best_share), 0);
  const missing = [...cells].sort((a, b) => (b.mass - b.best_share) - (a.mass - a.best_share))[0];
  $("cells-words").append(cells.length ? `People's ways of behaving fall into ${cells.length} cells, named after what marks them. Each tile is a cell; on a wide screen it is as large as the share of people in it. ` +
    `${held.length} of ${cells.length} cells, with ${percent(mass(held))} of people, have a program whose users behave so; the large number is the score there of the best of them, the cell's elite${data.scoring_note ? "" : ": how much of the cell's people it stands for, times how human they are"}. ` +
    `The best program alone lays its users over people with an overlap of ${percent(overlap)}` +
    (data.outside ? `; ${percent(data.outside)} of its dialogues lie outside all cells` : "") +
    (missing && missing.mass > missing.best_share ? `; it has too few who are “${missing.name}” (${percent(missing.best_share)} of its dialogues, ${percent(missing.mass)} of people).` : ".") : "There are no cells in this run.");
  if (!cells.length) return;
  const made = [...cells].sort((a, b) => b.mass - a.mass).map((cell) => tile(cell, choose));
  made[0].tabIndex = 0;
  $("map").append(...made);
  $("map").addEventListener("keydown", (event) => roam(event, made));
  $("map-key").append("score 0 ", h("span", { class: "ramp", style: { background: `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((x) => shade(x).background).join(", ")})` } }), " 1 · hatched: no program reaches the cell");
  $("cells-table").append(folded("The same as a table", ["cell", "people who are", "people", "best program", "elite", "score", "low", "high"],
    cells.map((cell) => [cell.cell, cell.name, percent(cell.mass, 1), percent(cell.best_share, 1), cell.elite?.id ?? "none", cell.elite?.score, cell.elite?.low, cell.elite?.high])));
}

/** Arrow keys, Home and End move the focus among buttons of which one is in the tab order. */
function roam(event, buttons) {
  const at = buttons.indexOf(document.activeElement);
  const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined || at < 0) return;
  event.preventDefault();
  const next = buttons[Math.min(buttons.length - 1, Math.max(0, to))];
  buttons[at].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}
