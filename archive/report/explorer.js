// The explorer: a list of programs, and one of them in full.

const LISTED = 250; // entries of the list at a time
const REMARKS = 6; // shown at once
const LAST = 1e9; // the rank of what has none

class Explorer {
  constructor(data) {
    this.data = data;
    this.found = [];
    this.chosen = null;
    this.texts = new Map();
    const parts = new Set(data.programs.flatMap((one) => one.operator.split("+")));
    $("operator").append(h("option", { value: "" }, "any"), ...[...parts].sort().map((name) => h("option", { value: name }, words(name))));
    this.columns = data.columns.filter((column) => data.programs.some((one) => column.name in one.objectives));
    $("sort").append(...this.columns.map(({ name, title, direction }) => h("option", { value: `by ${name}` }, `${direction === "less" ? "lowest" : "highest"} ${title} first`)));
    for (const id of ["search", "show", "operator", "sort"]) $(id).addEventListener("input", () => this.filter());
    $("list").addEventListener("keydown", (event) => this.key(event));
    this.filter();
  }

  source(number) {
    return this.data.sources.programs[number]?.map((line) => this.data.sources.lines[line]);
  }

  /** What the search box looks through, in small letters. */
  text(one) {
    if (!this.texts.has(one.number)) {
      const cells = this.data.cells.filter((cell) => cell.elite?.number === one.number).map((cell) => cell.name);
      const source = (this.source(one.number) ?? []).map((line) => line.map((piece) => piece[1]).join("")).join("\n");
      this.texts.set(one.number, [one.number, one.id, one.operator, words(one.operator), one.state, one.reason, ...one.badges, ...cells, source].join("\n").toLowerCase());
    }
    return this.texts.get(one.number);
  }

  filter() {
    const wanted = $("search").value.trim().toLowerCase(), show = $("show").value, operator = $("operator").value;
    const kinds = { all: () => true, known: (one) => one.badges.length > 0, dialogues: (one) => one.number in this.data.dialogues };
    const kind = kinds[show] ?? ((one) => one.state === show);
    this.found = this.data.programs.filter((one) => kind(one) && (!operator || one.operator.split("+").includes(operator)) && (!wanted || this.text(one).includes(wanted)));
    this.found.sort(this.order($("sort").value));
    $("count").textContent = `${this.found.length.toLocaleString("en")} of ${this.data.programs.length.toLocaleString("en")} candidates`;
    this.render();
  }

  /** How the list is ordered: as ranked, as asked, or by an objective; what has no value comes last. */
  order(chosen) {
    if (chosen === "rank") return (a, b) => (a.rank ?? LAST) - (b.rank ?? LAST) || a.number - b.number;
    const column = this.columns.find(({ name }) => `by ${name}` === chosen);
    if (!column) return (a, b) => a.number - b.number;
    const value = (one) => (column.direction === "less" ? -1 : 1) * (one.objectives[column.name]?.[0] ?? NaN);
    return (a, b) => (Number.isNaN(value(a)) - Number.isNaN(value(b))) || value(b) - value(a) || a.number - b.number;
  }

  render() {
    const shown = this.found.slice(0, LISTED);
    $("list").replaceChildren(...shown.map((one) => this.entry(one)));
    if (this.found.length > LISTED) $("list").append(h("li", { class: "rest", role: "presentation" }, `and ${(this.found.length - LISTED).toLocaleString("en")} more: search for them`));
    this.mark();
  }

  entry(one) {
    const score = one.objectives[this.data.score];
    return h("li", { role: "option", id: `program-${one.number}`, "aria-selected": "false", click: () => this.choose(one.number) },
      h("span", { class: "number" }, `#${one.number}`), h("span", { class: "id" }, one.id.slice(0, 8)), h("span", { class: "value" }, score ? fixed(score[0], 3) : one.state === "duplicate" ? "known" : one.state),
      h("span", { class: "what" }, [...one.badges.filter((badge) => !badge.startsWith("cell") && badge !== one.operator), words(one.operator.replaceAll("+", ", "))].join(" · ")));
  }

  mark() {
    for (const entry of $("list").querySelectorAll("[aria-selected=true]")) entry.setAttribute("aria-selected", "false");
    const entry = $(`program-${this.chosen}`);
    entry?.setAttribute("aria-selected", "true");
    if (entry) $("list").setAttribute("aria-activedescendant", entry.id);
    else $("list").removeAttribute("aria-activedescendant");
    if (entry) $("list").scrollTop = Math.max(0, Math.min(entry.offsetTop, Math.max($("list").scrollTop, entry.offsetTop + entry.offsetHeight - $("list").clientHeight)));
  }

  key(event) {
    const last = Math.min(this.found.length, LISTED) - 1, at = this.found.findIndex((one) => one.number === this.chosen);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10, Home: 0, End: last }[event.key];
    if (event.key === "Enter") $("detail").focus();
    if (to === undefined || last < 0) return;
    event.preventDefault();
    this.choose(this.found[Math.max(0, Math.min(last, to))].number);
  }

  choose(number, cell = null) {
    this.chosen = number;
    this.mark();
    const one = this.data.programs[this.data.at.get(number)];
    $("detail").replaceChildren(...this.detail(one, cell));
    $("detail").setAttribute("aria-label", `Program ${one.id.slice(0, 8)}`);
  }

  detail(one, cell) {
    const shown = this.data.dialogues[one.number], source = this.source(one.number);
    return [
      h("h3", {}, h("span", { class: "id" }, one.id), h("span", { class: "quiet" }, `  candidate ${one.number}`)),
      one.badges.length ? h("ul", { class: "badges" }, one.badges.map((badge) => h("li", { class: badge === "best" && "best" }, badge === "best" ? "best program" : badge.startsWith("cell") ? `elite of ${badge}` : badge))) : null,
      this.origin(one),
      one.reason ? h("p", { class: "note" }, one.state === "failed" ? `Failed: ${one.reason} (fault of the ${one.fault})` : one.reason) : null,
      this.scores(one),
      one.remarks.length ? this.remarks(one.remarks) : null,
      shown ? new Dialogues(shown, this.data, cell).place : h("p", { class: "quiet" }, one.planned ? `Its personas and dialogues are not on this page: personaevo archive show ${this.data.file} ${one.id.slice(0, 12)}` : "Nothing of it was run."),
      h("h4", {}, "From the seed program to here"), this.lineage(one),
      h("h4", {}, "Source"),
      source ? h("pre", { class: "source", tabindex: 0, role: "region", "aria-label": "Source" }, h("code", {}, source.flatMap((line) => [...line.map(([kind, text]) => (kind ? h("span", { class: kind }, text) : text)), "\n"])))
        : h("p", { class: "quiet" }, "Its source is not on this page."),
    ].filter(Boolean);
  }

  parent(id) {
    return this.data.programs[this.data.first.get(id)];
  }

  origin(one) {
    const parents = one.parents.map((id) => { const known = this.parent(id); return known ? link(known.number, id.slice(0, 8)) : id.slice(0, 8); });
    const made = h("p", {}, `Made by ${words(one.operator.replaceAll("+", ", then "))}`);
    parents.forEach((parent, index) => made.append(index ? " and " : " from ", parent));
    made.append(one.planned ? `. ${one.completed} of ${one.planned} dialogues completed, sandbox ${one.tier}.` : ".");
    if (one.state === "duplicate" && this.parent(one.id)) made.append(" The same program as ", link(this.parent(one.id).number, `candidate ${this.parent(one.id).number}`), ".");
    return made;
  }

  scores(one) {
    const columns = this.columns.filter(({ name }) => name in one.objectives);
    if (!columns.length) return null;
    const scale = scaleOf(columns.map(({ name }) => one.objectives[name].slice(0, 3)));
    return h("div", { class: "scroll" }, h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "in the search"), h("th", { scope: "col" }, "value and 95 % interval"), h("th", { scope: "col", class: "number" }, "raw"), h("th", { scope: "col" }, "role"))),
      h("tbody", {}, columns.map(({ name, title, meaning, group }) => {
        const [value, low, high, raw] = one.objectives[name];
        return h("tr", {}, h("th", { scope: "row", title: meaning }, title), h("td", {}, measure([value, low, high], scale)), h("td", { class: "number" }, fixed(raw, 3)), h("td", { class: "quiet" }, group));
      }))));
  }

  /** The first few, the others folded. */
  remarks(said) {
    const list = (some) => h("ul", { class: "remarks" }, some.map((one) => h("li", {}, one)));
    return h("div", {}, h("h4", {}, "What the judge remarked, the worst first"), list(said.slice(0, REMARKS)),
      said.length > REMARKS ? h("details", {}, h("summary", {}, `${said.length - REMARKS} more remarks`), list(said.slice(REMARKS))) : null);
  }

  /** First parents back to the seed program; a file could hold a circle of them. */
  lineage(one) {
    const way = [one], seen = new Set([one.id]);
    for (let next = this.parent(one.parents[0]); next && !seen.has(next.id); next = this.parent(next.parents[0])) {
      way.unshift(next);
      seen.add(next.id);
    }
    return h("ol", { class: "lineage" }, way.map((step, index) => {
      const name = this.data.score, score = step.objectives[name]?.[0], before = way[index - 1]?.objectives[name]?.[0];
      const gain = score !== undefined && before !== undefined ? ` (${signed(score - before)})` : "";
      return h("li", {}, step === one ? h("b", { class: "id" }, step.id.slice(0, 8)) : link(step.number, step.id.slice(0, 8)), ` ${words(step.operator.replaceAll("+", ", "))}: `,
        h("span", { class: "gain" }, score === undefined ? step.state : fixed(score, 3), gain));
    }));
  }
}

/** Personas of one program, one at a time with all of its dialogues side by side: the most human first, or the most human of a cell. */
class Dialogues {
  constructor(shown, data, cell) {
    this.shown = shown;
    this.names = new Map(data.cells.map((one) => [one.cell, one.name]));
    this.body = h("div", { "aria-live": "polite" });
    this.select = h("select", { "aria-label": "Persona", change: () => this.show(Number(this.select.value)) }, shown.users.map((one, at) => h("option", { value: at }, this.label(one, at))));
    this.place = h("div", {}, h("h4", {}, "How its users talk"), h("p", { class: "picker" },
      h("button", { type: "button", click: () => this.step(-1) }, "← More human"), this.select, h("button", { type: "button", click: () => this.step(1) }, "Less human →")), this.body);
    this.show(Math.max(0, cell === null ? 0 : shown.users.findIndex((user) => user.dialogues.some((one) => one.cell === cell))));
  }

  label(user, at) {
    const place = at === 0 ? "most human: " : at === this.shown.users.length - 1 ? "least human: " : "";
    const likeness = user.dialogues.map((one) => (one.state === "failed" ? "failed" : fixed(one.p_human)));
    return `${place}P(human) ${likeness.join(" and ")}, ${user.task}, ${user.persona?.id ?? "no persona"}`;
  }

  step(by) {
    this.show(Math.max(0, Math.min(this.shown.users.length - 1, Number(this.select.value) + by)));
  }

  show(at) {
    this.select.value = String(at);
    const user = this.shown.users[at], count = user.dialogues.length;
    this.body.replaceChildren(...(user.persona ? [this.persona(user.persona)] : []),
      h("div", { class: count > 1 ? "beside" : "" }, user.dialogues.map((one, index) => this.dialogue(one, count > 1 ? `Dialogue ${index + 1} of ${count}` : "Dialogue"))));
  }

  dialogue(one, title) {
    const where = one.cell === null ? "outside all cells" : `behaves like people in cell ${one.cell} (${this.names.get(one.cell) ?? "unnamed"})`;
    const figures = one.state === "failed" ? `Failed: ${one.reason}` :
      `Taken for a person with probability ${fixed(one.p_human)}; ${where}; task preservation ${fixed(one.preservation)}; ${words(one.outcome)}.`;
    return h("section", { class: "dialogue", "aria-label": title }, h("h5", {}, title), h("p", { class: "quiet" }, figures),
      h("ol", { class: "turns" }, one.turns.map(([user, text]) => h("li", { class: user ? "turn user" : "turn" }, h("span", {}, user ? "simulated user" : "agent"), h("p", {}, text)))));
  }

  persona(persona) {
    const levels = (values) => Object.entries(values).map(([name, value]) => [words(name), value]);
    return h("div", { class: "persona" }, h("p", {}, h("b", {}, `Persona ${persona.id}`)), h("p", {}, persona.text),
      h("details", {}, h("summary", {}, "Its axes and dials"), table(["axis", "level"], levels(persona.behaviors), "Axes"), table(["dial", "target"], levels(persona.dials), "Dials")));
  }
}
