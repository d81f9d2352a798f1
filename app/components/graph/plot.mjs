// Lines along λ, and the values of an output.

import { element, shape } from "./dom.mjs";
import { lamAt } from "./lam.mjs";

const PLOT = { width: 268, height: 116, left: 40, right: 8, top: 8, bottom: 20 }; // pixels
const NAMED = 12; // values that have a line each

// Lines along λ, each with its value at the slider's λ. Points are [λ, [a value per line]], or [λ, null] where there is none. With `dotted`
// the points are measurements, drawn as dots, and the values between them are approximate.
export function plot(page, title, names, points, [low, high], written, dotted, changes, changing) {
  const { width, height, left, right, top, bottom } = PLOT;
  const x = (lam) => left + lam * (width - left - right);
  const y = (value) => height - bottom - ((value - low) / (high - low)) * (height - top - bottom);
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}, along λ` });
  for (const value of [low, (low + high) / 2, high]) {
    svg.append(shape("line", { class: "rule", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    svg.append(shape("text", { x: left - 5, y: y(value) + 3.5, "text-anchor": "end" }, written(value)));
  }
  for (const lam of [0, 0.25, 0.5, 0.75, 1]) svg.append(shape("text", { x: x(lam), y: height - 5, "text-anchor": "middle" }, lam ? String(lam) : "λ = 0"));
  for (const lam of changes) svg.append(shape("line", { class: "change", x1: x(lam), x2: x(lam), y1: top, y2: height - bottom }));
  names.forEach((name, line) => {
    const drawn = points.map(([lam, row], index) => row && `${index && points[index - 1][1] ? "L" : "M"}${x(lam).toFixed(1)},${y(row[line]).toFixed(1)}`);
    svg.append(shape("path", { class: `line l${line}`, d: drawn.filter(Boolean).join(" ") }));
  });
  if (dotted) svg.append(...points.map(([lam, [value]]) => shape("circle", { class: "dot", cx: x(lam), cy: y(value), r: 2.6 })));
  const mark = shape("line", { class: "mark", y1: top, y2: height - bottom });
  svg.append(mark);
  const values = names.map(() => element("b"));
  const swatch = (line) => {
    const drawn = shape("svg", { viewBox: "0 0 22 4", class: "swatch", "aria-hidden": "true" });
    drawn.append(shape("path", { class: `line l${line}`, d: "M0,2 L22,2" }));
    return drawn;
  };
  const key = names.map((name, line) => element("span", {}, swatch(line), `${name} `, values[line]));
  if (changes.length) key.push(element("span", { class: "cap" }, `Orange lines: values of λ at which ${changing}`));
  const at = (step) => {
    const lam = lamAt(page.data, step);
    mark.setAttribute("x1", x(lam));
    mark.setAttribute("x2", x(lam));
    const row = valuesAt(points, lam);
    values.forEach((value, line) => {
      const about = dotted && !points.some(([measured]) => Math.abs(measured - lam) < 1e-6) ? "about " : "";
      value.textContent = row ? about + written(row[line]) : "did not run";
    });
  };
  return { figure: element("figure", {}, element("figcaption", {}, title), svg, element("div", { class: "key" }, ...key)), at };
}

// The values at a λ, interpolated linearly between the neighbouring points.
export function valuesAt(points, lam) {
  const next = points.findIndex(([other]) => other >= lam - 1e-9);
  if (next < 0) return points.at(-1)[1];
  const [to, after] = points[next];
  if (next === 0 || to - lam < 1e-6) return after;
  const [from, before] = points[next - 1];
  return before && after ? before.map((value, line) => value + ((after[line] - value) * (lam - from)) / (to - from)) : after;
}

// The values of an output: a line each with its name, or bars beside each other where there are many.
export function outputPlot(values, title) {
  const most = Math.max(...values.map(([, value]) => Math.abs(value)), 1e-9);
  const figure = element("figure", { class: "output" }, element("figcaption", {}, title));
  if (values.length <= NAMED) {
    const rows = values.map(([name, value]) => {
      const filled = element("i", { class: value < 0 ? "negative" : "positive" });
      filled.style.width = `${(50 * Math.abs(value)) / most}%`;
      return element("div", { class: "value" }, element("span", { title: name }, name), element("div", { class: "both" }, filled), element("b", {}, value.toFixed(2)));
    });
    figure.append(...rows);
    return figure;
  }
  const width = PLOT.width / values.length;
  const svg = shape("svg", { viewBox: `0 0 ${PLOT.width} 100`, role: "img", "aria-label": `${title}: ${values.length} values` });
  for (const [index, [name, value]] of values.entries()) {
    const height = (48 * Math.abs(value)) / most;
    const bar = shape("rect", { class: "value-bar", x: index * width, y: value < 0 ? 50 : 50 - height, width: width * 0.85, height });
    bar.append(shape("title", {}, `${name}: ${value.toFixed(3)}`));
    svg.append(bar);
  }
  svg.append(shape("line", { class: "rule", x1: 0, x2: PLOT.width, y1: 50, y2: 50 }));
  figure.append(svg);
  return figure;
}
