// Finds places for the labels of control edges.

export const LABEL = 15; // height of a label, in pixels
const LETTER = 6.4; // upper bound of a letter's width in a label
const SCORE = 5; // letters of a score beside an option
const LISTED = 3; // options listed below a controller
const DOTS = 16; // points of a line that a label should not cover
const ALONG = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82]; // places on an edge for its label, the best first

// Adds to each control edge its label's place, `labelAt`: the one over fewest lines, or null where each covers a node or a label.
export function placeLabels({ nodes, edges }) {
  const solid = nodes.map(({ x, y, w, h }) => box([x, y], w, h));
  const dots = edges.map((edge) => Array.from({ length: DOTS + 1 }, (_, dot) => box(on(edge.points, dot / DOTS), 3, 3)));
  for (const edge of edges) {
    if (edge.kind === "data") continue;
    const lines = dots.filter((_, index) => edges[index] !== edge).flat();
    const width = (edge.label.length + SCORE) * LETTER;
    const free = ALONG.map((share) => box(on(edge.points, share), width, LABEL)).filter((one) => !covered(one, solid));
    const costs = free.map((one) => covered(one, lines));
    const best = free[costs.indexOf(Math.min(...costs))];
    edge.labelAt = best ? [(best.left + best.right) / 2, (best.top + best.bottom) / 2] : null;
    if (best) solid.push(best);
  }
}

// Lists below a controller the options that have no label on an edge, as `listed`, and makes room for them.
export function placeOptions(layout) {
  layout.listed = layout.nodes.filter((node) => node.kind === "control" && !node.continuation).flatMap((control) => {
    const labelled = new Set(layout.edges.filter((edge) => edge.source === control.name && edge.labelAt).flatMap((edge) => edge.options));
    const rest = control.options.filter((option) => !labelled.has(option)).slice(0, LISTED);
    return rest.map((option, line) => ({ control: control.name, option, x: control.x, y: control.y + control.h / 2 + 14 + 13 * line }));
  });
  layout.height = Math.max(layout.height, ...layout.listed.map(({ y }) => y));
}

// A point on a chain of cubic Bézier curves; `share` runs from 0 to 1, and each curve counts the same.
export function on(points, share) {
  const curves = Math.max(Math.floor((points.length - 1) / 3), 1);
  const index = Math.min(Math.floor(share * curves), curves - 1);
  const t = share * curves - index;
  const weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t ** 3];
  const four = points.slice(3 * index, 3 * index + 4);
  return [0, 1].map((axis) => four.reduce((sum, one, corner) => sum + weights[corner] * one[axis], 0));
}

const box = ([x, y], width, height) => ({ left: x - width / 2, top: y - height / 2, right: x + width / 2, bottom: y + height / 2 });

// The area of other boxes that a box covers, in square pixels.
const covered = (one, others) => others.reduce((sum, other) => sum + overlap(one, other), 0);

function overlap(one, other) {
  const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
  const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
  return Math.max(across, 0) * Math.max(down, 0);
}
