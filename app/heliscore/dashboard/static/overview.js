// The overview's charts: a score over time above the numbers of scores behind it, and its distribution.

import { binAxis, drawCharts } from "./charts.js";

const HOUR_MS = 3600000;
const STEP_MS = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 168 * HOUR_MS };
const MARKED = 60; // more points would hide the line

const valuesOf = (rows, column) => rows.map((row) => (row[column].value === null ? null : Number(row[column].value)));
const textsOf = (rows, column) => rows.map((row) => row[column].text);

function trend(chart, { names, rows, isShare }, colours) {
  const step = STEP_MS[chart.dataset.step];
  const x = rows.map((row) => row[0].value);
  const average = {
    type: "scatter", x, y: valuesOf(rows, 1), customdata: textsOf(rows, 1),
    mode: rows.length > MARKED ? "lines" : "lines+markers", name: names[1],
    line: { color: colours.series[0], width: 2.25 },
    marker: { size: 6, color: colours.series[0] },
    hovertemplate: `${names[1]} <b>%{customdata}</b><extra></extra>`,
  };
  const behind = {
    type: "bar", x, y: valuesOf(rows, 2), yaxis: "y2", width: step * 0.72, customdata: textsOf(rows, 2),
    name: names[2], marker: { color: colours["line-strong"], opacity: 0.55 },
    hovertemplate: "%{customdata} scores<extra></extra>",
  };
  const isHour = chart.dataset.step === "hour";
  const layout = {
    xaxis: {
      type: "date", anchor: "y2", showgrid: false, nticks: chart.clientWidth < 420 ? 4 : 8,
      hoverformat: isHour ? "%-d %b, %H:%M" : "%-d %b %Y",
      tickformatstops: [
        { dtickrange: [null, 43200000], value: "%H:%M\n%-d %b" },
        { dtickrange: [43200001, null], value: "%-d %b\n%Y" },
      ],
    },
    yaxis: { domain: [0.3, 1], nticks: 6, ...(isShare ? { tickformat: ".0%" } : { tickformat: "~g" }) },
    yaxis2: { domain: [0, 0.2], nticks: 3, rangemode: "tozero", tickformat: "~s" },
  };
  return { traces: [average, behind], layout };
}

function distribution(chart, { rows, isShare }, colours) {
  const counts = valuesOf(rows, 1);
  const all = counts.reduce((sum, count) => sum + count, 0);
  const shares = counts.map((count) => `${textOf(count)}, ${((100 * count) / all).toFixed(1)}%`);
  const bars = {
    type: "bar", x: rows.map((_, number) => number), y: counts, customdata: shares, hovertext: textsOf(rows, 0),
    marker: { color: colours.series[0] },
    hovertemplate: "%{hovertext}: <b>%{customdata}</b><extra></extra>",
  };
  const layout = {
    xaxis: binAxis(chart, rows),
    yaxis: { nticks: 6, rangemode: "tozero", tickformat: "~s" },
    bargap: isShare ? 0.5 : 0.08, hovermode: "closest",
  };
  return { traces: [bars], layout };
}

const textOf = (count) => count.toLocaleString("en");

drawCharts({ trend, distribution });
