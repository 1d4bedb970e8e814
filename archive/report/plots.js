// Plots: each with a key whose boxes hide and show, and a table of the same.

const SVG = "http://www.w3.org/2000/svg";
const SIGNS = {
  circle: "M7 2a5 5 0 1 0 .01 0Z", diamond: "M7 1L13 7L7 13L1 7Z", square: "M2 2H12V12H2Z", cross: "M5.5 1H8.5V5.5H13V8.5H8.5V13H5.5V8.5H1V5.5H5.5Z", x: "M3 1L7 5L11 1L13 3L9 7L13 11L11 13L7 9L3 13L1 11L5 7L1 3Z",
  "triangle-up": "M7 2L13 12H1Z", line: "M0 5.5H14V8.5H0Z", digit: "M5 3.5L8 1.5H9.5V12.5H7.3V4.4L5 5.9Z", "circle-open": "M7 1a6 6 0 1 0 .01 0ZM7 3a4 4 0 1 1-.01 0Z",
};

function sign(trace) {
  const drawn = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  drawn.setAttribute("viewBox", "0 0 14 14");
  drawn.setAttribute("aria-hidden", "true");
  const symbol = trace.mode === "lines" ? "line" : [trace.marker?.symbol].flat().find((one) => one in SIGNS);
  path.setAttribute("d", SIGNS[trace.mode === "text" ? "digit" : symbol] ?? "");
  path.setAttribute("fill", trace.marker?.color ?? trace.line?.color ?? "currentColor");
  path.setAttribute("fill-rule", "evenodd");
  drawn.append(path);
  return drawn;
}

/** What stands around a plot: a key whose boxes hide and show, the sentences, the table. The plot is drawn later. */
function frame(place, chart, title, data) {
  if (chart.figure) {
    if (chart.axes.length > 1) place.append(axisPickers(place, chart, data));
    const plot = h("div", { class: "plot", role: "img", "aria-label": `${title}. ${chart.words} The table below has the same figures.` });
    if (chart.figure.layout.height) plot.style.minHeight = `${chart.figure.layout.height}px`;
    const keys = h("div", { class: "keys", role: "group", "aria-label": "What is shown" });
    if (chart.figure.data.length > 1) {
      chart.figure.data.forEach((trace, index) => keys.append(h("label", {},
        h("input", { type: "checkbox", checked: true, change: (event) => window.Plotly?.restyle(plot, { visible: event.target.checked }, [index]) }), sign(trace), trace.name)));
    }
    place.append(keys, plot);
  }
  place.append(h("p", { class: "words quiet" }, chart.words));
  if (chart.rows.length) place.append(folded("The same as a table", chart.columns, chart.rows));
}

/** Choices of what a chart of programs shows across and up. */
function axisPickers(place, chart, data) {
  const chosen = [0, 1];
  const set = (axis, at) => {
    chosen[axis] = at;
    const name = chart.axes[at].name, key = "xy"[axis];
    for (const trace of chart.figure.data) trace[key] = trace.customdata.map((number) => data.programs[data.at.get(number)].objectives[name][0]);
    chart.figure.layout[`${key}axis`].title.text = chart.axes[at].label;
    if (place.querySelector(".main-svg")) {
      window.Plotly.restyle(place.querySelector(".plot"), { [key]: chart.figure.data.map((trace) => trace[key]) });
      window.Plotly.relayout(place.querySelector(".plot"), { [`${key}axis.title.text`]: chart.axes[at].label });
    }
  };
  const picker = (axis, label) => h("label", { class: "field" }, h("span", {}, label), h("select", { change: (event) => set(axis, Number(event.target.value)) },
    chart.axes.map(({ title }, at) => h("option", { value: at, selected: at === chosen[axis] }, title))));
  return h("p", { class: "pickers" }, picker(0, "Across"), picker(1, "Up"));
}

function draw(place, chart, choose) {
  const plot = place.querySelector(".plot");
  if (!plot) return;
  const narrow = plot.clientWidth < 560;
  const axis = { gridcolor: "#888", zerolinecolor: "#888", zeroline: false, ticklen: 4, tickcolor: "rgba(0,0,0,0)" };
  const { xaxis, yaxis, ...layout } = chart.figure.layout;
  const titled = (one, given) => ({ ...axis, ...given, title: { ...given.title, text: folds(given.title?.text ?? "", one === "x" ? (plot.clientWidth - 140) / 7 : 44), font: { size: 12 }, standoff: 10 } });
  window.Plotly.newPlot(plot, chart.figure.data, {
    height: 460, ...layout, showlegend: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false,
    margin: { l: narrow ? 44 : 60, r: 14, t: 10, b: 60 }, font: { family: getComputedStyle(document.body).fontFamily, size: narrow ? 11 : 12.5 },
    hoverlabel: { bgcolor: "#22262c", bordercolor: "#22262c", align: "left" },
    xaxis: { ...titled("x", xaxis), automargin: true, fixedrange: true }, yaxis: { ...titled("y", yaxis), automargin: true, fixedrange: true },
  }, { displayModeBar: false, responsive: true });
  plot.on("plotly_click", (event) => {
    const number = event.points[0]?.customdata;
    if (typeof number === "number") choose(number);
  });
}

/** A title in lines of about so many characters. */
function folds(text, longest) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if ((lines.at(-1) + word).length > longest && lines.at(-1)) lines.push("");
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
  }
  return lines.join("<br>");
}
