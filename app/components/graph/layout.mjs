// Places a graph for a canvas: Graphviz lays it out in each style, long layouts are split into columns, and the best of them is taken.

import { split } from "./columns.mjs";
import { placeLabels } from "./labels.mjs";

export const SMALLEST = 0.92; // a smaller scale than this would bring letters below 11 pixels
const LARGEST = 1.25; // a small graph is enlarged no further
const COLUMNS = [2, 3, 4, 5, 6];
const LONG = 2; // a layout is split if it is taller than it is wide by this factor
export const MARGIN = 14; // around the graph, in pixels
const KEPT = 8; // graphs whose layouts are kept

const known = new Map(); // the layouts of the graphs that were seen last, by their source

// The layout of a drawing that shows most of it, and then with the largest letters, on a canvas of this size. `viz` is an instance of Viz.js.
export function place(drawing, viz, canvas) {
  const layouts = layoutsOf(drawing, viz);
  const best = layouts.map((layout) => ({ layout, ...fitted(layout, canvas) })).reduce((one, other) => (better(other, one) ? other : one)).layout;
  if (!best.labelled) {
    placeLabels(best);
    best.labelled = true;
  }
  return best;
}

// The scale at which a layout is drawn on a canvas, and the share of it that is in view. On a phone what is cut off sideways counts twice.
export function fitted({ width, height }, canvas) {
  const [w, h] = [width + 2 * MARGIN, height + 2 * MARGIN];
  const whole = Math.min(canvas.width / w, canvas.height / h, LARGEST);
  const scale = Math.max(whole, SMALLEST * canvas.letters);
  const [across, down] = [Math.min(canvas.width / (w * scale), 1), Math.min(canvas.height / (h * scale), 1)];
  return { scale, seen: across ** (canvas.letters > 1 ? 2 : 1) * down };
}

// The layout of which more is in view, or else the one with larger letters; a column has to make them larger by a tenth.
const better = (one, other) => (Math.abs(one.seen - other.seen) > 0.02 ? one.seen > other.seen : worth(one) > worth(other));
const worth = ({ layout, scale }) => scale * 0.9 ** layout.nodes.filter((node) => node.continuation).length;

function layoutsOf(drawing, viz) {
  const key = JSON.stringify(drawing);
  const found = known.get(key) ?? computed(drawing, viz);
  known.delete(key);
  known.set(key, found);
  if (known.size > KEPT) known.delete(known.keys().next().value);
  return found;
}

function computed(drawing, viz) {
  const whole = Object.entries(drawing.sources).map(([style, source]) => read(drawing, style, JSON.parse(viz.renderString(source, { format: "json", engine: "dot" }))));
  const long = whole.filter(({ style, width, height }) => style !== "LR" && height > LONG * Math.min(width, 300));
  return [...whole, ...COLUMNS.flatMap((columns) => long.map((layout) => split(layout, columns)))];
}

// A layout from what Graphviz wrote as JSON, with y running downwards.
export function read(drawing, style, { bb, objects, edges = [] }) {
  const [, , width, height] = bb.split(",").map(Number);
  const byId = new Map(objects.map(({ _gvid: id, name, pos }) => [id, { ...drawing.nodes[Number(name.slice(1))], at: point(pos, height) }]));
  const nodes = [...byId.values()].map(({ at, ...node }) => ({ ...node, x: at[0], y: at[1] }));
  const described = new Map(drawing.edges.map((edge) => [`${edge.source}\n${edge.target}`, edge]));
  const placed = edges.map(({ tail, head, pos }) => ({ ...described.get(`${byId.get(tail).name}\n${byId.get(head).name}`), ...line(pos, height) }));
  return { style, width, height, nodes, edges: placed };
}

const point = (text, height) => {
  const [x, y] = text.split(",").map(Number);
  return [x, height - y];
};

// The Bézier points of a line, the tip of its arrow and its ring, from "s,x,y e,x,y x,y x,y …": mark at its start, tip, points.
function line(pos, height) {
  const found = { points: [], tip: null, ring: null };
  let start = null;
  for (const word of pos.trim().split(/\s+/)) {
    if (word.startsWith("s,")) start = point(word.slice(2), height);
    else if (word.startsWith("e,")) found.tip = point(word.slice(2), height);
    else found.points.push(point(word, height));
  }
  if (start) found.ring = ring(start, found.points[0]);
  return found;
}

// The small circle between a node's border and the beginning of the line.
function ring([x, y], [toX, toY]) {
  return { x: (x + toX) / 2, y: (y + toY) / 2, r: Math.max(Math.hypot(x - toX, y - toY) / 2, 2) };
}
