"use strict";
// A metric over the versions or over time: points that were in production are filled.
gitreg.plot = (place, data, { series, over, onHover }) => {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const served = new Set(data.stood.filter((one) => one[1] === `stages/${data.main}`).map((one) => one[0]));
  const seconds = (version) => Date.parse(version[1]) / 1000;
  const points = data.versions
    .map((version, index) => ({ version, value: series.values[index] }))
    .filter((point) => point.value !== null && point.value !== undefined)
    .map((point) => ({ ...point, x: over === "time" ? seconds(point.version) : point.version[0] }))
    .filter((point) => Number.isFinite(point.x))
    .sort((one, other) => one.x - other.x);
  place.replaceChildren();
  if (!points.length) { place.append(gitreg.el("p", { class: "empty" }, "No version has this metric.")); return null; }
  const xs = points.map((point) => point.x);
  const ys = points.map((point) => point.value);
  const production = points.map((point) => (served.has(point.version[0]) ? point.value : null));
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "12px system-ui, sans-serif" };
  const one = xs.length === 1;
  const whole = (_, splits) => splits.map((split) => (Number.isInteger(split) ? String(split) : ""));
  const made = new uPlot({
    width: place.clientWidth || 600,
    height: 290,
    cursor: { y: false, drag: { x: false, y: false }, focus: { prox: 30 } },
    legend: { show: false },
    scales: {
      x: { time: over === "time", range: one ? [xs[0] - 1, xs[0] + 1] : undefined },
      y: { range: (_, low, high) => { const room = (high - low || Math.abs(high) || 1) * 0.12; return [low - room, high + room]; } },
    },
    axes: [
      { ...axis, ...(over === "time" ? {} : { values: whole }) },
      { ...axis, size: 68, values: (_, splits) => splits.map(gitreg.number) },
    ],
    series: [
      {},
      { stroke: colour("--bar"), width: 1.5, points: { show: true, size: 7, stroke: colour("--bar"), fill: colour("--card") } },
      { stroke: colour("--bar-good"), width: 0, paths: () => null, points: { show: true, size: 11, stroke: colour("--bar-good"), fill: colour("--bar-good") } },
    ],
    hooks: { setCursor: [(plot) => onHover(plot.cursor.idx === null || plot.cursor.idx === undefined ? null : points[plot.cursor.idx], served)] },
  }, [xs, ys, production], place);
  return { made, points, served };
};

(() => {
  const place = document.getElementById("plot");
  if (!place) return;
  const metric = document.getElementById("metric");
  const over = document.getElementById("over");
  const hover = document.getElementById("hover");
  const hint = hover.textContent;
  const { el } = gitreg;
  gitreg.model = (data) => {
    data.series.forEach((one, index) => metric.append(el("option", { value: index }, one.name)));
    if (!data.series.length) {
      place.closest("section").replaceChildren(el("h2", {}, "Metrics"), el("p", { class: "empty" }, "No version has metrics."));
      return;
    }
    let now = null;
    const draw = () => {
      const series = data.series[metric.value];
      now?.made.destroy();
      const measured = series.data ? ` Measured on ${series.data.join("; ")}${series.same ? "" : ": the data differ, so the values do not compare"}.` : "";
      now = gitreg.plot(place, data, { series, over: over.value, onHover: (point, served) => {
        if (!point) { hover.textContent = hint + measured; return; }
        const [number, at, stage] = point.version;
        hover.replaceChildren(el("b", {}, `version ${number}: ${gitreg.number(point.value)}`),
          ` · ${gitreg.moment(at)}${stage ? ` · in ${stage}` : ""}${served.has(number) ? ` · was in ${data.main}` : ""}${measured}`);
      } });
      hover.textContent = hint + measured;
      const rows = (now?.points ?? []).toReversed().map((point) => el("tr", {},
        el("th", { scope: "row" }, el("a", { href: `version.html?v=${point.version[0]}` }, point.version[0])),
        el("td", {}, point.version[1].slice(0, 10)), el("td", { class: "num" }, gitreg.number(point.value)),
        el("td", {}, now.served.has(point.version[0]) ? `was in ${data.main}` : "")));
      document.getElementById("values").replaceChildren(
        el("thead", {}, el("tr", {}, ["Version", "Registered", series.name, "Served"].map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, rows));
    };
    metric.addEventListener("change", draw);
    over.addEventListener("change", draw);
    document.addEventListener("gitreg-theme", draw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    let width = place.clientWidth;
    new ResizeObserver(() => { if (place.clientWidth !== width) { width = place.clientWidth; now?.made.setSize({ width, height: 290 }); } }).observe(place);
    draw();
  };
})();
