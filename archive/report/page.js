// What is left, and the beginning.

function showCosts(data) {
  if (!data.costs.length) {
    $("costs-table").append(h("p", {}, "Embedded: no model was called, so it cost processor time only."));
    return;
  }
  const columns = ["role", "calls", "tokens in", "of them cached", "tokens out", "US dollars", "seconds"];
  const rows = data.costs.map((one) => [one.role, one.calls, one.input_tokens, one.cached_tokens, one.output_tokens, one.usd, one.seconds]);
  const sum = (at) => rows.reduce((total, row) => total + row[at], 0);
  $("costs-table").append(h("p", {}, `Models were called ${sum(1).toLocaleString("en")} times and cost ${sum(5).toFixed(2)} US dollars.`),
    table(columns, [...rows, ["all", ...[1, 2, 3, 4, 5, 6].map(sum)]], "Costs by role"));
}

function setUpTheme() {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let now = dark.matches ? "dark" : "light";
  const show = () => { document.documentElement.style.colorScheme = document.documentElement.dataset.theme = now; $("theme").textContent = now === "dark" ? "Light" : "Dark"; $("theme").setAttribute("aria-label", `Switch to ${now === "dark" ? "light" : "dark"} colors`); };
  $("theme").addEventListener("click", () => { now = now === "dark" ? "light" : "dark"; show(); });
  dark.addEventListener("change", () => { now = dark.matches ? "dark" : "light"; show(); });
  show();
}

/** The plane's extra program: its dialogues as one more trace. */
function setUpPlane(data, place) {
  const chart = data.charts.plane, choices = data.programs.filter((one) => data.dialogues[one.number]?.points.length);
  if (!chart.figure || !choices.length) { $("plane-program").parentElement.remove(); return; }
  $("plane-program").append(h("option", { value: "" }, "none"), ...choices.map((one) => h("option", { value: one.number }, `#${one.number} ${one.id.slice(0, 8)}${one.badges.length ? ` (${one.badges.join(", ")})` : ""}`)));
  $("plane-program").addEventListener("change", (event) => {
    const plot = place.querySelector(".plot"), points = data.dialogues[event.target.value]?.points ?? [];
    window.Plotly?.restyle(plot, { x: [points.map((point) => point[0])], y: [points.map((point) => point[1])] }, [chart.figure.data.length - 1]);
  });
  chart.figure.data.push({ type: "scatter", mode: "markers", name: "the program chosen above", x: [], y: [], hoverinfo: "name", marker: { symbol: "triangle-up", color: "#E69F00", size: 9, line: { width: 1, color: "#333" } } });
}

async function start() {
  setUpTheme();
  const data = JSON.parse(await unpacked("data"));
  data.at = new Map(data.programs.map((one, index) => [one.number, index]));
  data.first = new Map();
  data.programs.forEach((one, index) => data.first.has(one.id) || data.first.set(one.id, index));
  $("domain").textContent = data.domain;
  const explorer = new Explorer(data);
  const choose = (number, cell = null) => { explorer.choose(number, cell); $("detail").scrollIntoView(); $("detail").focus({ preventScroll: true }); };
  window.addEventListener("choose", (event) => choose(event.detail));
  showResult(data);
  showCells(data, choose);
  showCosts(data);
  $("notes").append(...data.notes.map((note) => h("li", {}, note)));
  if (data.best !== null) explorer.choose(data.best);
  const places = [...document.querySelectorAll(".chart")];
  setUpPlane(data, document.querySelector('[data-chart="plane"]'));
  for (const place of places) frame(place, data.charts[place.dataset.chart], place.previousElementSibling.textContent || "People and personas in one plane", data);
  document.documentElement.dataset.state = "readable";
  await new Promise((next) => setTimeout(next, 50)); // the page can be read and used before it has its plots
  const library = document.createElement("script");
  library.textContent = await unpacked("library");
  document.head.append(library);
  for (const place of places) {
    draw(place, data.charts[place.dataset.chart], choose);
    await new Promise((next) => setTimeout(next));
  }
  $("state").remove();
  document.documentElement.dataset.state = "drawn";
}

start().catch((error) => { $("state").textContent = `This page could not be shown: ${error.message}`; throw error; });
