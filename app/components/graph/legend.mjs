// Explains the marks that a graph has.

import { element } from "./dom.mjs";
import { hint } from "./hint.mjs";

const TERMS_OF_MARKS = { skipped: "gate", controller: "controller" };

// Explains the marks that this graph has.
export function drawLegend(page) {
  const { drawing, forced, comparison, compared } = page.data;
  const controllers = drawing.nodes.filter((node) => node.kind === "control");
  const chooses = controllers.some((node) => node.decides === "one");
  const entries = [
    ["ran", "Ran", true],
    ["skipped", "Skipped", true],
    ["controller", chooses ? "Controller: takes the option with the highest expected reward" : "Controller: decides which gates open", controllers.length],
    ["bar", "Share of the static network’s computation", true],
    ["strip", "Channels, or folded blocks: the stronger the colour, the wider the gate is open", drawing.nodes.some((node) => node.strip_cells)],
    ["scale", "Factor by which the gate scales the output", drawing.nodes.some((node) => node.scales)],
    ["ring", "Default value in place of a skipped module; filled if it was used", drawing.edges.some((edge) => edge.default !== null)],
    ["oval", "Input and outputs", true],
    ["continuation", "The same node, where the graph continues", page.continuations.length],
    ["force", "Forced on or off by you", Object.keys(forced).length],
    ["differs", compared.length ? "Runs in some of these networks only" : "Runs only with or without what is forced", comparison !== null || compared.length],
  ];
  const shown = entries.filter(([, , there]) => there).map(([name, text]) => element("span", {}, element("i", { class: name, "aria-hidden": "true" }), text, ...(name in TERMS_OF_MARKS ? [hint(page, TERMS_OF_MARKS[name])] : [])));
  page.legend.replaceChildren(...shown);
}
