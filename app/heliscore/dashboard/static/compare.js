// The comparison's charts: each group's distribution, as shares, so that groups of any size lie over each
// other. Groups differ in colour, in dash and in marker.

import { binAxis, drawCharts, label } from "./charts.js";

const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const MARKERS = ["circle", "square", "diamond", "triangle-up", "cross", "x"];
const PATTERNS = ["", "/", ".", "x", "-", "|"];

const sum = (counts) => counts.reduce((total, count) => total + count, 0);
const shown = (number) => number.toLocaleString("en");

/** The groups that have this score: number, name, and counts by bin. */
function groupsOf({ names, rows }) {
  return names
    .slice(1)
    .map((name, number) => ({
      number,
      name: label(name, 24),
      counts: rows.map((row) => Number(row[number + 1].value)),
    }))
    .filter(({ counts }) => sum(counts) > 0);
}

function spread(chart, table, colours) {
  const bins = table.rows.map((row) => row[0].text);
  const traces = groupsOf(table).map(({ number, name, counts }) => ({
    type: "scatter", mode: "lines+markers", name, x: bins.map((_, bin) => bin),
    y: counts.map((count) => count / sum(counts)), customdata: counts.map(shown), hovertext: bins,
    line: { color: colours.series[number], dash: DASHES[number], width: 2, shape: "spline", smoothing: 0.4 },
    marker: { color: colours.series[number], symbol: MARKERS[number], size: 6 },
    hovertemplate: `${name}, %{hovertext}: <b>%{y:.1%}</b>, %{customdata}<extra></extra>`,
  }));
  const layout = {
    xaxis: binAxis(chart, table.rows),
    yaxis: { rangemode: "tozero", tickformat: ".0%", nticks: 5 },
    hovermode: "closest",
  };
  return { traces, layout };
}

function shares(_, table, colours) {
  const groups = groupsOf(table);
  const numbers = groups.map(({ number }) => number);
  const all = groups.map(({ counts }) => sum(counts));
  const share = groups.map(({ counts }, place) => counts[1] / all[place]);
  const bars = {
    type: "bar", orientation: "h", y: numbers, x: share,
    text: share.map((part) => `${(100 * part).toFixed(1)}%`), textposition: "outside", cliponaxis: false,
    customdata: groups.map(({ counts }, place) => `${shown(counts[1])} of ${shown(all[place])}`),
    hovertext: groups.map(({ name }) => name),
    marker: {
      color: numbers.map((number) => colours.series[number]),
      pattern: {
        shape: numbers.map((number) => PATTERNS[number]), fillmode: "overlay",
        fgcolor: colours.surface, fgopacity: 0.55, size: 7, solidity: 0.25,
      },
    },
    hovertemplate: "%{hovertext}: <b>%{text}</b>, %{customdata}<extra></extra>",
  };
  const layout = {
    xaxis: { range: [0, 1.16], tickformat: ".0%", tickvals: [0, 0.25, 0.5, 0.75, 1] },
    yaxis: {
      type: "linear", autorange: "reversed", showgrid: false, tickvals: numbers,
      ticktext: groups.map(({ name }) => name),
    },
    hovermode: "closest", bargap: 0.4,
  };
  return { traces: [bars], layout };
}

drawCharts({ spread, shares });
