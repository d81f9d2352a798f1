// The inspector: a panel with all about the selected node. What the browser has of it appears at once and follows the slider; what the
// server computes follows into the same panel.

import { button, caption, choice, element } from "./dom.mjs";
import { forceChoice, forceNode, forceRoute } from "./forcing.mjs";
import { gateStrips } from "./gates.mjs";
import { hint } from "./hint.mjs";
import { insideOf } from "./inside.mjs";
import { lamAt, scoresAt, sendSelection } from "./lam.mjs";
import { light } from "./lighting.mjs";
import { outputPlot, plot } from "./plot.mjs";

const LINE_STYLES = 4; // number of distinguishable lines in a plot

// Selects a node, or none, and tells the server.
export function select(page, name) {
  const before = page.selected;
  page.selected = name;
  page.option = null;
  showInspector(page);
  light(page);
  sendSelection(page);
  if (name === null && before !== null && page.inspector.contains(focused(page))) page.nodes.get(before)?.group.focus();
}

const focused = (page) => page.root.getRootNode().activeElement;

// Shows the selected node, or nothing.
export function showInspector(page) {
  const { selected, data, inspector } = page;
  const known = selected === null ? undefined : data.facts[selected];
  page.root.classList.toggle("open", Boolean(known));
  inspector.hidden = !known;
  page.follow = () => {};
  page.announcement.textContent = known ? `${selected}: ${known.title}` : "";
  if (!known) {
    inspector.replaceChildren();
    return;
  }
  const same = page.shownNode === selected;
  const [top, held] = [same ? inspector.scrollTop : 0, focused(page)?.dataset?.focus];
  const where = element("span");
  const figures = known.figures.map(([title, value]) => element("div", {}, caption(title), element("b", {}, value)));
  const plots = [ratesPlot(page, known.rates), scoresPlot(page, selected)].filter(Boolean);
  const gates = gateStrips(page);
  const computed = element("div", { class: "computed" });
  page.shownNode = selected;
  inspector.setAttribute("aria-label", `Details of ${selected}`);
  inspector.replaceChildren(
    element("header", {}, element("h3", {}, element("b", {}, selected), ` · ${known.title}`, where, ...termsOf(page, selected)), button("×", "Close the details", () => select(page, null))),
    ...forcing(page, selected),
    element("div", { class: "lines" }, ...known.lines.map((line) => caption(line))),
    element("div", { class: "figures" }, ...figures),
    ...gates.elements,
    computed,
    ...plots.map(({ figure }) => figure),
    ...routes(page),
  );
  page.follow = () => {
    where.textContent = page.lam.textContent && ` · at ${page.lam.textContent}`;
    for (const { at } of [...plots, gates]) at(data.has_slider ? page.step : 0);
    showComputed(page, computed);
  };
  page.follow();
  inspector.scrollTop = top;
  if (held) inspector.querySelector(`[data-focus="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
}

// The “i” of what a node is.
function termsOf(page, name) {
  if (nodeOf(page, name).kind === "control") return [hint(page, "controller", "gate")];
  return page.data.forcing.nodes.includes(name) ? [hint(page, "gate", "route")] : [];
}

function forcing(page, name) {
  const { forcing: possible, forced, live } = page.data;
  if (!live) return [];
  const found = [];
  if (possible.nodes.includes(name)) {
    const states = ["automatic", "on", "off"].map((state) => [state, state]);
    found.push(choice("Force this module", states, (Object.hasOwn(forced, name) && forced[name]) || "automatic", (state) => forceNode(page, name, state)));
  }
  if (Object.hasOwn(possible.options, name)) {
    const options = [["", "automatic"], ...nodeOf(page, name).options.map((option) => [option, option])];
    found.push(choice("Force this controller’s choice", options, possible.options[name] ?? "", (option) => forceChoice(page, name, option)));
  }
  return found;
}

// The routes of this image at other values of λ, to be forced at every λ.
function routes(page) {
  const { forcing: possible, live } = page.data;
  if (!live || !possible.nodes.length) return [];
  if (!possible.routes.length) return [element("div", { class: "routes" }, caption("Force another route"), caption(possible.routes_note))];
  const options = possible.routes.map(({ lam, cost_share: share }, index) => [String(index), `from λ = ${lam}: ${share} of the static network`]);
  const made = choice("Force another route", [["", "automatic"], ...options], "", (index) => index && forceRoute(page, Number(index)), { list: true });
  return [element("div", { class: "routes" }, made, caption(possible.routes_note))];
}

// What the server computed of the node, or that it is computing it.
function showComputed(page, place) {
  const { inspection, live } = page.data;
  if (!live || nodeOf(page, page.selected).kind === "input") return;
  if (inspection?.node !== page.selected) {
    place.replaceChildren(caption("Computing what it made of this image …"));
    return;
  }
  if (place.shown === inspection) return;
  place.shown = inspection;
  const { note, output, values, attribution, inside, lam } = inspection;
  const at = lam && page.data.has_slider ? ` at λ = ${lam}` : "";
  const parts = [];
  if (note) parts.push(caption(note + (at && ` (${at.trim()})`)));
  if (output) parts.push(picture(output, at));
  if (values.length) parts.push(outputPlot(values, `Output${at}`));
  if (attribution) parts.push(...attributed(page, attribution, at));
  if (inside) parts.push(insideOf(page, inside));
  place.replaceChildren(...parts);
}

const picture = ({ url, caption: text }, at) => element("figure", { class: "picture" }, element("figcaption", {}, text + at), element("img", { src: url, alt: text }));

function attributed(page, { picture: shown, limit, unit, meaning, option, method, methods }, at) {
  const ask = (changed) => {
    Object.assign(page, changed);
    page.data.inspection = null;
    page.follow();
    sendSelection(page);
  };
  const { options } = nodeOf(page, page.selected);
  return [
    picture(shown, at),
    element("div", { class: "colours" }, element("span", {}, `against −${limit}`), element("i"), element("span", {}, `for +${limit}`), caption(unit)),
    ...meaning.map((text) => caption(text)),
    choice("Pixels in favour of", options.map((name) => [name, name]), option, (wanted) => ask({ option: wanted })),
    choice("Attribution method", methods, method, (wanted) => ask({ method: wanted }), { list: true }),
  ];
}

function ratesPlot(page, rates) {
  if (!rates.length) return null;
  const percent = (share) => `${(100 * share).toFixed(share > 0 && (share < 0.0995 || share > 0.9) && share < 1 ? 1 : 0)}%`;
  const title = "Share of the validation images for which it runs";
  if (!page.data.has_slider) {
    const nearest = rates.reduce((best, one) => (Math.abs(one[0] - page.data.lam) < Math.abs(best[0] - page.data.lam) ? one : best));
    const measured = nearest[0] === null ? "" : ` at λ = ${nearest[0]}`;
    return { figure: element("figure", {}, element("figcaption", {}, title + measured), element("b", {}, percent(nearest[1]))), at() {} };
  }
  return plot(page, title, ["Runs for"], rates.map(([lam, share]) => [lam, [share]]), [0, 1], percent, true, page.data.thresholds, "this image takes a different route");
}

// A controller's scores along λ; none where every gate opens by its own score.
function scoresPlot(page, name) {
  const node = nodeOf(page, name);
  if (node.decides !== "one" || !page.data.has_slider || node.options.length > LINE_STYLES) return null;
  const points = Array.from({ length: page.data.last_step + 1 }, (_, step) => [lamAt(page.data, step), scoresAt(page.data, name, step)]);
  const values = points.flatMap(([, row]) => row ?? []);
  if (!values.length) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.05 * (high - low), 0.005);
  const digits = high - low < 0.1 ? 3 : 2;
  const { switches } = page.data.facts[name];
  return plot(page, "Scores of its options for this image", node.options, points, [low - room, high + room], (value) => value.toFixed(digits), false, switches, "its choice changes");
}

const nodeOf = (page, name) => page.data.drawing.nodes.find((node) => node.name === name);
