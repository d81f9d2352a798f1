// Finds places for the labels of control edges.

export const LABEL = 15; // height of a label, in pixels
const LETTER = 6.4; // upper bound of a letter's width in a label
const SCORE = 5; // letters of a score beside an option
const LISTED = 3; // options listed below a controller
const LIST_LINE = 13; // height of a line of the list, in pixels
const LIST_BASELINE = 11; // of its first line, below its top
const LIST_GAP = 3; // between a controller and its list
const SOLID_COST = 10; // how much worse it is to cover a node or a label than a line
const DOTS = 16; // points of a line that a label should not cover
const ALONG = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82]; // places on an edge for its label, the best first

// Adds to each control edge its label's place, `labelAt`: the one over fewest lines, or null where each covers a node or a label. The
// options that have no label on an edge are listed beside their controller, as `listed`.
export function placeLabels(layout) {
  const { nodes, edges } = layout;
  const solid = new Set(nodes.map(({ x, y, w, h }) => box([x, y], w, h)));
  const dots = edges.map((edge) => Array.from({ length: DOTS + 1 }, (_, dot) => box(on(edge.points, dot / DOTS), 3, 3)));
  const controls = nodes.filter((node) => node.kind === "control" && !node.continuation);
  const leading = new Map(controls.map(({ name }) => [name, edges.filter(({ kind, source }) => kind !== "data" && source === name)]));
  const rest = ({ name, options }, labelled) => options.filter((option) => !labelled(leading.get(name)).some((edge) => edge.options.includes(option))).slice(0, LISTED);
  const lists = new Map(controls.map((control) => [control, []]));
  const list = (control, options) => {
    if (lists.get(control).length === options.length) return;
    solid.delete(control.list);
    control.list = beside(control, options, [...solid], dots.flat(), layout.width);
    solid.add(control.list);
    lists.set(control, options);
  };
  for (const control of controls) list(control, rest(control, (all) => all));
  for (const edge of edges) {
    if (edge.kind === "data") continue;
    const lines = dots.filter((_, index) => edges[index] !== edge).flat();
    const width = (edge.label.length + SCORE) * LETTER;
    const free = ALONG.map((share) => box(on(edge.points, share), width, LABEL)).filter((one) => !covered(one, [...solid]));
    const costs = free.map((one) => covered(one, lines));
    const best = free[costs.indexOf(Math.min(...costs))];
    edge.labelAt = best ? [(best.left + best.right) / 2, (best.top + best.bottom) / 2] : null;
    if (best) solid.add(best);
  }
  for (const control of controls) list(control, rest(control, (all) => all.filter(({ labelAt }) => labelAt)));
  layout.listed = controls.flatMap((control) => {
    const { left, right, top } = control.list ?? {};
    return lists.get(control).map((option, line) => ({ control: control.name, option, x: (left + right) / 2, y: top + LIST_BASELINE + LIST_LINE * line }));
  });
  layout.height = Math.max(layout.height, ...layout.listed.map(({ y }) => y));
}

// The box of a list of options: below its controller, right, left or above, where it covers least.
function beside({ x, y, w, h }, options, solid, lines, width) {
  const [across, down] = [(Math.max(...options.map((option) => option.length)) + SCORE) * LETTER, LIST_LINE * options.length];
  const [aside, apart] = [(w + across) / 2 + LIST_GAP, (h + down) / 2 + LIST_GAP];
  const places = [[x, y + apart], [x + aside, y], [x - aside, y], [x, y - apart]].map((at) => box(at, across, down));
  const outside = ({ left, right }) => (Math.max(-left, 0) + Math.max(right - width, 0)) * down;
  const costs = places.map((place) => SOLID_COST * (covered(place, solid) + outside(place)) + covered(place, lines));
  return places[costs.indexOf(Math.min(...costs))];
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
