// Charts by Plotly, drawn from the tables behind them, so that the two cannot disagree, and drawn anew when
// the colour scheme changes.

const CONFIG = { displayModeBar: false, responsive: true };

const scheme = matchMedia("(prefers-color-scheme: dark)");
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

/** A custom property of the style sheet as a colour of the scheme at hand. */
function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

/** The colours of the scheme at hand. */
function theme() {
  const names = ["text", "quiet", "line", "surface", "accent-soft", "line-strong"];
  return {
    ...Object.fromEntries(names.map((name) => [name, colour(name)])),
    series: [1, 2, 3, 4, 5, 6].map((number) => colour(`series-${number}`)),
    font: getComputedStyle(document.body).fontFamily,
  };
}

/** A text as Plotly shows it: it would take `<` and `&` for markup. A long one is cut. */
export function label(text, length = 40) {
  const short = text.length > length ? `${text.slice(0, length - 1)}…` : text;
  return short.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** The rows of the table behind a chart: of each cell its text and, where it has one, its value. */
export function readTable(chart) {
  const table = chart.parentElement.querySelector(".chart-table table");
  const rows = [...table.tBodies[0].rows].map((row) =>
    [...row.cells].map((cell) => {
      const data = cell.querySelector("data");
      return { text: cell.textContent, value: data === null ? null : data.value };
    }),
  );
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  return { names, rows, isShare: "share" in table.dataset };
}

/** An axis of bins, named by where they begin as often as there is room; the table has both ends. */
export function binAxis(chart, rows) {
  const room = Math.max(2, Math.floor(chart.clientWidth / 60));
  const every = Math.max(1, Math.ceil(rows.length / room));
  const ticks = rows.map((_, number) => number).filter((number) => number % every === 0);
  const begin = ({ text, value }) => (/^[\d-]/.test(text) ? Number(value).toLocaleString("en") : text);
  return {
    type: "linear", showgrid: false, tickangle: 0, tickvals: ticks, ticktext: ticks.map((tick) => begin(rows[tick][0])),
  };
}

function layoutOf(colours, layout) {
  const axis = {
    gridcolor: colours.line, linecolor: colours.line, tickcolor: colours.line, zeroline: false,
    tickfont: { color: colours.quiet, size: 12 }, automargin: true, fixedrange: true,
    title: { font: { color: colours.quiet, size: 12 } },
  };
  const axes = Object.keys(layout).filter((key) => key.includes("axis"));
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, dragmode: false,
    margin: { t: 12, r: 8, b: 28, l: 8 }, bargap: 0.18, hovermode: "x unified",
    font: { family: colours.font, color: colours.text, size: 13 },
    hoverlabel: { bgcolor: colours.surface, bordercolor: colours["line-strong"], font: { color: colours.text } },
    ...layout,
    ...Object.fromEntries(axes.map((key) => [key, {
      ...axis, ...layout[key], title: { ...axis.title, ...layout[key].title },
    }])),
  };
}

/**
 * Draw every chart of the page. `makers` has a function by the charts' `data-chart`; it takes the chart, the
 * table behind it and the colours, and returns Plotly's `traces` and `layout`.
 */
export function drawCharts(makers) {
  const charts = [...document.querySelectorAll("[data-chart]")].map((chart) => [chart, readTable(chart)]);
  const draw = () => {
    const colours = theme();
    for (const [chart, table] of charts) {
      const { traces, layout } = makers[chart.dataset.chart](chart, table, colours);
      Plotly.react(chart, traces, layoutOf(colours, layout), CONFIG);
      chart.dataset.drawn = scheme.matches ? "dark" : "light";
    }
  };
  scheme.addEventListener("change", draw);
  draw();
}
