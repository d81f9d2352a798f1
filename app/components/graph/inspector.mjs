// Details of the selected node. The browser has all of them already, so that they appear at once and follow the slider.

import { element } from "./dom.mjs";
import { lamAt } from "./lam.mjs";
import { plot } from "./plot.mjs";

const LINE_STYLES = 4; // number of distinguishable lines in a plot

// Details of the selected node. The browser has all of them already, so that they appear at once and follow the slider.
export function showDetails(page) {
  const known = page.selected === null ? undefined : page.data.facts[page.selected];
  page.details.classList.toggle("empty", !known);
  page.follow = () => {};
  page.details.setAttribute("aria-label", known ? `Details of ${page.selected}` : "No node is selected");
  page.announcement.textContent = known ? `${page.selected}: ${known.title}` : "";
  page.more.hidden = !known;
  page.brief.textContent = known
    ? `${page.selected} · ${known.title.split(":")[0]} · ${nodeOf(page, page.selected).cost} multiply-adds`
    : "Click a node for its details, or move between nodes with the arrow keys and press Enter.";
  if (!known) {
    const output = page.data.live ? ", what it computed for this image" : "";
    page.details.replaceChildren(element("p", { class: "cap" }, `Click a node of the graph to see what it is, when it runs${output} and what it costs.`));
    return;
  }
  const where = element("span");
  const figures = known.figures.map(([title, value]) => element("div", {}, element("p", { class: "cap" }, title), element("b", {}, value)));
  const plots = [ratesPlot(page, known.rates), scoresPlot(page, page.selected)].filter(Boolean);
  page.details.replaceChildren(
    element("h3", {}, element("b", {}, page.selected), ` · ${known.title}`, where),
    element("div", { class: "figures" }, ...figures),
    element("div", { class: "facts" }, element("div", {}, ...known.lines.map((line) => element("p", { class: "cap" }, line))), ...plots.map((one) => one.figure)),
  );
  page.follow = () => {
    where.textContent = page.lam.textContent && ` · at ${page.lam.textContent}`;
    for (const { at } of plots) at(page.data.has_slider ? page.step : 0);
  };
}

function ratesPlot(page, rates) {
  if (!rates.length) return null;
  const percent = (share) => `${(100 * share).toFixed(share > 0 && (share < 0.0995 || share > 0.9) && share < 1 ? 1 : 0)}%`;
  const title = "Share of the validation images for which it runs";
  if (!page.data.has_slider || page.data.pinned) {
    const nearest = rates.reduce((best, one) => (Math.abs(one[0] - page.data.lam) < Math.abs(best[0] - page.data.lam) ? one : best));
    const measured = nearest[0] === null ? "" : ` at λ = ${nearest[0]}`;
    return { figure: element("figure", {}, element("figcaption", {}, title + measured), element("b", {}, percent(nearest[1]))), at() {} };
  }
  return plot(page, title, ["Runs for"], rates.map(([lam, share]) => [lam, [share]]), [0, 1], percent, true, page.data.thresholds, "this image takes a different route");
}

// A controller's scores along λ; none where every gate opens by its own score.
function scoresPlot(page, name) {
  const node = nodeOf(page, name);
  const rows = page.data.scores[name];
  if (node.decides !== "one" || !rows || rows.length < 2 || node.options.length > LINE_STYLES) return null;
  const points = rows.map((row, step) => [lamAt(page.data, step), row]);
  const values = rows.filter(Boolean).flat();
  if (!values.length) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.05 * (high - low), 0.005);
  const digits = high - low < 0.1 ? 3 : 2;
  const { switches } = page.data.facts[name];
  return plot(page, "Scores of its options for this image", node.options, points, [low - room, high + room], (value) => value.toFixed(digits), false, switches, "its choice changes");
}

const nodeOf = (page, name) => page.data.drawing.nodes.find((node) => node.name === name);
