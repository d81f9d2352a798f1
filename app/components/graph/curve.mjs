// The curve under the slider: what the image costs along λ, and where its answer is right.

import { element, shape } from "./dom.mjs";
import { lamAt, moveTo, rest } from "./lam.mjs";
import { stop } from "./playback.mjs";

const HEIGHT = 100; // of the curve, in units of its own that are stretched to its box
const WORDS = { true: "right", false: "wrong", null: "unknown" };
const SIGNS = { true: "✓ ", false: "✗ ", null: "" };

export function curve(page) {
  page.curve = element("div", { class: "curve" });
  page.curve.addEventListener("pointerdown", (event) => {
    const { left, width } = page.curve.getBoundingClientRect();
    stop(page);
    moveTo(page, Math.round(page.data.last_step * Math.min(Math.max((event.clientX - left) / width, 0), 1)));
    rest(page);
  });
  return page.curve;
}

export function drawCurve(page) {
  const { data } = page;
  page.curve.hidden = !data.has_slider;
  if (!data.has_slider) return;
  const most = Math.max(1, ...data.intervals.map(({ cost }) => cost));
  const svg = shape("svg", { viewBox: `0 0 ${data.last_step} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const y = (cost) => HEIGHT - (HEIGHT * cost) / most;
  const points = stepsOf(data).flatMap(({ from, to, interval }) => [[from, y(interval.cost)], [to, y(interval.cost)]]);
  const path = points.map(([x, height]) => `${x},${height.toFixed(1)}`).join(" ");
  svg.append(
    shape("polygon", { class: "area", points: `0,${HEIGHT} ${path} ${data.last_step},${HEIGHT}` }),
    shape("line", { class: "static", x1: 0, x2: data.last_step, y1: y(1), y2: y(1) }),
    shape("polyline", { class: "cost", points: path }),
  );
  const [first, last] = [data.intervals[0], data.intervals.at(-1)];
  const ends = [["first", first, "Cost "], ["last", last, ""]].map(([name, { cost, cost_share: share }, title]) => {
    const side = cost > most / 2 ? "below" : "above"; // of the line
    return element("span", { class: `end ${name} ${side}` }, title + share);
  });
  const segments = answersAlong(data).map(({ from, to, label, correct }) => {
    const segment = element("span", { class: WORDS[correct], title: `“${label}”${correct === null ? "" : `, ${WORDS[correct]},`} from λ = ${lamAt(data, from).toFixed(2)}` }, `${SIGNS[correct]}${label}`);
    segment.style.width = `${(100 * (to - from)) / data.last_step}%`;
    return segment;
  });
  page.curve.setAttribute("role", "img");
  page.curve.setAttribute("aria-label", `Along λ the cost goes from ${first.cost_share} to ${last.cost_share} of the static network’s. ${spoken(data)}`);
  page.curve.replaceChildren(element("div", { class: "costs" }, svg, ...ends), element("div", { class: "answers" }, ...segments), element("i", { class: "now" }));
}

// The intervals with the steps at which they begin and end; the last one ends with the slider.
const stepsOf = (data) => data.intervals.map((interval, index) => ({ from: data.starts[index], to: data.starts[index + 1] ?? data.last_step, interval }));

// Neighbouring intervals with the same answer, joined.
export function answersAlong(data) {
  const found = [];
  for (const { from, to, interval: { label, correct } } of stepsOf(data)) {
    const before = found.at(-1);
    if (before && before.label === label) before.to = to;
    else found.push({ from, to, label, correct });
  }
  return found;
}

const spoken = (data) => answersAlong(data).map(({ from, label, correct }) => `From λ = ${lamAt(data, from).toFixed(2)} the answer is “${label}”${correct === null ? "" : correct ? ", right" : ", wrong"}.`).join(" ");
