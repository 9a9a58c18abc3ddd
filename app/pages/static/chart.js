// Draws each <figure class="chart" data-table="id"> from the table with that id.
//
// A row is a point: its <time datetime> and, below each <th data-draw="bars|line" data-tone="…">, its data-value; an
// empty one is a gap. The table stays beside it, for whoever does not see the picture. vendor/uplot is loaded before.

import { moment } from "./times.js";

const locale = document.documentElement.lang;
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
const whole = new Intl.NumberFormat(locale);
const tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const formats = {
  "": (value) => whole.format(value),
  ms: (ms) => (Math.abs(ms) < 1000 ? `${whole.format(ms)} ms` : `${tenths.format(ms / 1000)} s`),
};
const WHOLE_STEPS = [1, 2, 5].flatMap((step) => [0, 1, 2, 3, 4, 5, 6].map((power) => step * 10 ** power)).sort((a, b) => a - b);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

function read(table) {
  const heads = [...table.tHead.rows[0].cells];
  const columns = heads.flatMap((head, index) => (head.dataset.draw ? [index] : []));
  const rows = [...table.tBodies[0].rows];
  const times = rows.map((row) => Date.parse(row.querySelector("time").dateTime) / 1000);
  const values = columns.map((index) =>
    rows.map(({ cells }) => (cells[index].dataset.value === "" ? null : Number(cells[index].dataset.value))),
  );
  return { series: columns.map((index) => heads[index].dataset), data: [times, ...values] };
}

function draw(figure) {
  const { series, data } = read(document.getElementById(figure.dataset.table));
  const format = formats[figure.dataset.unit];
  const step = data[0][1] - data[0][0] || 0;
  const plot = figure.querySelector(".plot");
  const readings = [...figure.querySelectorAll(".legend b")];
  const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
  figure.hidden = false;
  plot.replaceChildren();
  return new uPlot(
    {
      width: plot.clientWidth,
      height: plot.clientWidth < 500 ? 180 : 240,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: {
        x: { range: (_, first, last) => [first, last + step] }, // with room for the last bar
        y: { range: (_, low, high) => [Math.min(low, 0), Math.max(high * 1.1, 1)] },
      },
      axes: [
        { ...axis, size: 28, values: (_, splits) => splits.map((at) => label(new Date(at * 1000))) },
        { ...axis, incrs: WHOLE_STEPS, size: 64, values: (_, splits) => splits.map((value) => format(value)) },
      ],
      series: [
        {},
        ...series.map(({ draw: how, tone }, index) => ({
          stroke: colour(tone),
          width: 2,
          points: { show: data[index + 1].includes(null), size: 5 }, // one between gaps would be no line
          ...(how === "bars"
            ? { fill: colour(tone), width: 0, paths: uPlot.paths.bars({ size: [0.8, 48], align: 1 }) }
            : {}),
        })),
      ],
      hooks: {
        setCursor: [
          ({ cursor: { idx } }) => {
            readings.forEach((reading, index) => {
              const value = idx == null ? null : data[index + 1][idx];
              reading.textContent = value == null ? "" : format(value);
            });
            figure.querySelector(".at").textContent = idx == null ? "" : moment(new Date(data[0][idx] * 1000));
          },
        ],
      },
    },
    data,
    plot,
  );
}

/** The hour, and at midnight the day. */
function label(at) {
  return at.getHours() || at.getMinutes() ? clock.format(at) : day.format(at);
}

for (const figure of document.querySelectorAll("figure.chart")) {
  let chart = draw(figure);
  const again = () => {
    chart.destroy();
    chart = draw(figure);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let width = chart.width;
  new ResizeObserver(([{ contentRect }]) => {
    if (Math.round(contentRect.width) === width) return;
    width = Math.round(contentRect.width);
    again();
  }).observe(figure.querySelector(".plot"));
}
