// What is inside the selected module: its layers, its weights and, where it holds a whole network, that network’s blocks.

import { bar, caption, element, shape } from "./dom.mjs";
import { opened } from "./gates.mjs";

const PLOT_SIZE = { width: 268, height: 84, bottom: 18 }; // pixels

// The panel’s part on a module, from what the server computed.
export function insideOf(page, { title, blocks, weights }) {
  const [only] = blocks;
  const parts = blocks.length === 1
    ? [caption(only.summary), layerTable(only.layers)]
    : [caption("Bars: share of the module’s multiply-adds. Open a block for its layers."), ...blocks.map((block) => nested(page, block))];
  if (weights) parts.push(histogram(weights));
  return opened(page, `inside ${page.selected}`, title, element("div", { class: "inside" }, ...parts));
}

function nested(page, { name, summary, cost_share: share, layers }) {
  const block = opened(page, `inside ${page.selected} ${name}`, name, caption(summary), layerTable(layers));
  block.firstChild.append(bar(share));
  return block;
}

function layerTable(layers) {
  const head = element("tr", {}, ...["Layer", "Output", "Parameters"].map((text) => element("th", { scope: "col" }, text)));
  const rows = layers.map(({ layer, what, output, parameters }) => element("tr", {},
    element("th", { scope: "row" }, ...(layer ? [element("b", {}, layer), " "] : []), what), element("td", {}, output), element("td", {}, parameters)));
  return element("table", { class: "layers" }, element("thead", {}, head), element("tbody", {}, ...rows));
}

function histogram({ limit, counts, caption: words }) {
  const { width, height, bottom } = PLOT_SIZE;
  const most = Math.max(...counts);
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Histogram of the weights from −${limit} to ${limit}: ${words}` });
  const each = width / counts.length;
  counts.forEach((count, index) => {
    const tall = ((height - bottom - 2) * count) / most;
    svg.append(shape("rect", { class: "value-bar", x: index * each, y: height - bottom - tall, width: each * 0.88, height: tall }));
  });
  svg.append(shape("line", { class: "rule", x1: 0, x2: width, y1: height - bottom, y2: height - bottom }));
  for (const [x, anchor, text] of [[0, "start", `−${limit}`], [width / 2, "middle", "0"], [width, "end", limit]]) {
    svg.append(shape("text", { x, y: height - 4, "text-anchor": anchor }, text));
  }
  return element("figure", {}, element("figcaption", {}, "Weights"), svg, caption(words));
}
