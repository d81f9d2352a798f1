// Splits a long layout into columns at nodes that everything below depends on; such a node is drawn again at the top of the next column.

const GAP = 40; // between columns, in pixels

// The layout in this many columns of about equal height, or in as many as it has places to be split at.
export function split(layout, columns) {
  const places = placesOf(layout);
  if (!places.length) return layout;
  const chosen = new Set();
  for (let column = 1; column < columns; column += 1) {
    const wanted = (layout.height * column) / columns;
    chosen.add(places.reduce((best, one) => (Math.abs(one.y - wanted) < Math.abs(best.y - wanted) ? one : best)));
  }
  return sideBySide(layout, places.filter((place) => chosen.has(place)));
}

// The nodes at which a layout can be split, from the top: alone at their height, and the only sources of edges that lead below it.
function placesOf({ nodes, edges }) {
  const height = new Map(nodes.map((node) => [node.name, node.y]));
  const leads = (from, to, y) => height.get(from) <= y && y < height.get(to);
  const found = nodes.filter((node) => {
    const alone = nodes.every((other) => other === node || Math.abs(other.y - node.y) > (other.h + node.h) / 2);
    const down = new Set(edges.filter((edge) => leads(edge.source, edge.target, node.y)).map((edge) => edge.source));
    const up = edges.some((edge) => leads(edge.target, edge.source, node.y));
    return alone && down.size === 1 && down.has(node.name) && !up;
  });
  return found.sort((one, other) => one.y - other.y);
}

// The layout with the parts between these nodes placed side by side.
function sideBySide(layout, places) {
  const parts = Array.from({ length: places.length + 1 }, () => []);
  const columnOf = new Map();
  for (const node of layout.nodes) {
    const column = places.filter((place) => place.y < node.y).length;
    parts[column].push(node);
    columnOf.set(node.name, column);
  }
  places.forEach((place, index) => parts[index + 1].push({ ...place, continuation: true }));
  const [nodes, edges] = [[], []];
  let [right, lowest] = [0, 0];
  parts.forEach((part, column) => {
    const within = layout.edges.filter((edge) => columnOf.get(edge.target) === column); // an edge stands where it leads to
    const xs = [...part.flatMap(({ x, w }) => [x - w / 2, x + w / 2]), ...within.flatMap((edge) => edge.points.map(([x]) => x))];
    const [left, top] = [Math.min(...xs), Math.min(...part.map(({ y, h }) => y - h / 2))];
    nodes.push(...part.map((node) => ({ ...node, x: node.x + right - left, y: node.y - top })));
    edges.push(...within.map((edge) => moved(edge, right - left, -top)));
    lowest = Math.max(lowest, ...part.map(({ y, h }) => y + h / 2 - top));
    right += Math.max(...xs) - left + GAP;
  });
  return { ...layout, width: right - GAP, height: lowest, nodes, edges };
}

function moved(edge, across, down) {
  const shift = ([x, y]) => [x + across, y + down];
  const ring = edge.ring && { ...edge.ring, x: edge.ring.x + across, y: edge.ring.y + down };
  return { ...edge, points: edge.points.map(shift), tip: edge.tip && shift(edge.tip), ring };
}
