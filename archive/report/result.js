// The result: what came out, held against controls, and what the numbers mean. Which objectives there are is data.

function showResult(data) {
  const best = data.programs.find((one) => one.number === data.best);
  if (data.scoring_note) $("scoring-note").append(h("p", { class: "note" }, data.scoring_note));
  const [first, ...others] = data.headline;
  $("headline").append(first, best ? " " : "", best ? link(best.number, `#${best.number} ${best.id.slice(0, 8)}`) : "");
  $("headline").after(...others.map((said) => h("p", {}, said)));
  if (data.versus.length) showVersus(data);
  if (data.table.length) showTable(data);
  if (data.comparisons.rows.length) showComparisons(data);
  $("facts").append(...data.facts.flatMap(([label, value]) => [h("dt", {}, label), h("dd", {}, value)]));
  $("steps").append(...data.steps.map((step) => h("li", {}, step)));
  $("players").textContent = data.players;
  if (data.finals.length) showFinals(data);
}

function showVersus(data) {
  const scale = scaleOf(data.versus.map((one) => [one.mean, one.low, one.high]), [0]);
  $("versus").append(h("h2", {}, "Best program less average person"),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Best program less average person" }, h("table", {},
      h("thead", {}, h("tr", {}, ["objective", "difference, 95 % interval", "in words"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, data.versus.map((one) => h("tr", { class: one.verdict !== "better" && "doubt" },
        h("th", { scope: "row" }, one.title), h("td", {}, difference([one.mean, one.low, one.high], scale)), h("td", {}, one.words)))))),
    h("p", { class: "quiet" }, "Differences are paired: both rows played the same tasks and met the same draws of people. A program that does not beat one average persona has not shown what different personas are worth."));
}

/** Headings of columns with what they are for above them; neighbors of one kind share it. */
function headings(columns, first, last) {
  const runs = [];
  for (const column of columns) {
    if (runs.at(-1)?.[0] === column.group) runs.at(-1)[1] += 1;
    else runs.push([column.group, 1]);
  }
  return h("thead", {},
    h("tr", { class: "groups" }, h("td", {}), runs.map(([group, count]) => h("th", { scope: "colgroup", colspan: count }, group)), last.map(() => h("td", {}))),
    h("tr", {}, h("th", { scope: "col" }, first), columns.map((column) => h("th", { scope: "col", title: column.meaning }, column.title)), last.map((name) => h("th", { scope: "col", class: "number" }, name))));
}

function showTable(data) {
  const columns = data.columns.filter((column) => data.table.some((row) => column.name in row.measures));
  const told = ({ mean, low, high }) => [mean, low, high];
  const scales = new Map(columns.map(({ name }) => [name, scaleOf(data.table.flatMap((row) => (row.measures[name] ? [told(row.measures[name])] : [])))]));
  const cell = (row, { name }) => h("td", {}, row.measures[name] ? measure(told(row.measures[name]), scales.get(name)) : h("span", { class: "quiet", title: "not measured" }, "–"));
  const counted = (row) => Object.values(row.measures)[0];
  $("table-words").textContent = "Bars, and the numbers above them, are 95 % intervals. Thin lines in bars stand at 0 and 1. Tasks and people of this table played no part in the search.";
  $("final-table").append(h("table", { class: "wide" }, headings(columns, "on held-out tasks", ["dialogues"]),
    h("tbody", {}, data.table.map((row) => h("tr", { class: row.program && row.program === data.programs[data.at.get(data.best)]?.id && row.row === data.table.at(-1).row && "best" },
      h("th", { scope: "row" }, row.name), columns.map((column) => cell(row, column)),
      h("td", { class: "number" }, counted(row) ? `${counted(row).completed}/${counted(row).planned}` : "–"))))));
  $("rows").append(h("h3", {}, "What the rows are"), h("dl", {}, data.row_meanings.flatMap(([name, meaning]) => [h("dt", {}, name), h("dd", {}, meaning)])));
  $("legend").append(h("h3", {}, "What the columns mean"), table(data.legend.columns, data.legend.rows, "What the columns mean"));
  if (data.levels.length) $("legend").append(folded("All levels: what counts 0, and what people get", ["objective", "made from", "planned dialogues", "counts 0", "people get, counts 1"], data.levels));
  if (data.judge) $("legend").append(h("p", { class: "quiet" }, data.judge));
}

function showComparisons(data) {
  const { columns, rows } = data.comparisons;
  const shown = (found) => (found ? `${signed(found[0], 2)} (${signed(found[1], 2)} to ${signed(found[2], 2)})` : undefined);
  $("comparisons").append(folded("The best program less every other row, paired, with 95 % intervals", ["best program less", ...columns], rows.map((row) => [row.name, ...row.values.map(shown)])));
}

function showFinals(data) {
  const score = (row) => row.objectives[data.score]?.[0] ?? -Infinity;
  const rows = [...data.finals].sort((a, b) => score(b) - score(a));
  const columns = data.columns.filter((column) => rows.some((row) => column.name in row.objectives));
  const scales = new Map(columns.map(({ name }) => [name, scaleOf(rows.flatMap((row) => (row.objectives[name] ? [row.objectives[name]] : [])))]));
  $("finals").append(h("h2", {}, "Why this one: the finals"),
    h("p", {}, `The best of many scores is partly luck. So the ${rows.length} best programs of the search were scored again on ${rows[0].planned} fresh dialogues each, and the best of them there was taken.`),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The finals" }, h("table", { class: "wide" }, headings(columns, "finalist", ["score in the search"]),
      h("tbody", {}, rows.map((row) => h("tr", {},
        h("th", { scope: "row" }, row.number === null ? row.id : link(row.number, row.id), row.number !== null && row.number === data.best ? " ← best" : ""),
        columns.map(({ name }) => h("td", {}, row.objectives[name] ? measure(row.objectives[name], scales.get(name)) : "–")),
        h("td", { class: "number" }, fixed(data.programs[data.at.get(row.number)]?.objectives[data.score]?.[0], 3))))))));
}
