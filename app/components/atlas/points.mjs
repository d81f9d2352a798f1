// What the map says of its points: colours, legend, and which point is where. Knows no document.

export const OTHER = "#8a94a3"; // of what has no colour of its own
export const RIGHT = "#0d9488";
export const WRONG = "#dc2626";

// The colour of a share of the range of costs: a mixture of the two nearest of some colours.
export function mixed(colours, share) {
  const at = Math.min(Math.max(share, 0), 1) * (colours.length - 1);
  const first = Math.min(Math.floor(at), colours.length - 2);
  const parts = (colour) => [1, 3, 5].map((from) => parseInt(colour.slice(from, from + 2), 16));
  const [one, other] = [parts(colours[first]), parts(colours[first + 1])];
  return `rgb(${one.map((part, place) => Math.round(part + (other[place] - part) * (at - first))).join(" ")})`;
}

// The kind of a point at a step of λ: what the legend lists. Costs have no kinds.
export function kindOf(data, colour, step, index) {
  if (colour === "route") return Math.min(data.routes[step][index], data.routeNames.length);
  if (colour === "class") return data.labels[index];
  if (colour === "answer") return data.answers[step][index];
  if (data.labels[index] < 0) return "unknown";
  return data.answers[step][index] === data.labels[index] ? "right" : "wrong";
}

export function colourOf(data, colour, kind) {
  if (kind === "right") return RIGHT;
  if (kind === "wrong") return WRONG;
  if (kind === "unknown" || kind < 0 || (colour === "route" && kind >= data.routeNames.length)) return OTHER;
  return data.palette[kind % data.palette.length];
}

export function nameOf(data, colour, kind) {
  if (kind === "unknown") return "class not known";
  if (typeof kind === "string") return kind;
  if (colour === "route") return kind < data.routeNames.length ? data.routeNames[kind] : "other routes";
  if (kind < 0) return colour === "class" ? "none of the classes" : "no answer";
  return data.classes[kind];
}

// The entries of the legend with the number of their points: classes in their order, others the most frequent first.
export function legend(data, colour, step) {
  const counts = new Map();
  for (let index = 0; index < data.labels.length; index += 1) {
    const kind = kindOf(data, colour, step, index);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const ordered = colour === "class" || colour === "answer" ? (one, other) => one.kind - other.kind : (one, other) => other.count - one.count;
  return [...counts].map(([kind, count]) => ({ kind, count, name: nameOf(data, colour, kind) })).sort(ordered);
}

// The lowest and the highest cost at any λ, so that a colour means the same cost at all of them.
export function costRange(data) {
  let [low, high] = [Infinity, -Infinity];
  for (const costs of data.costs) for (const cost of costs) [low, high] = [Math.min(low, cost), Math.max(high, cost)];
  return [low, high];
}

// The point nearest to a place on the map, (width, height), within a reach in pixels; −1 where there is none.
export function nearest(places, x, y, width, height, reach) {
  let [found, least] = [-1, reach * reach];
  for (let index = 0; 2 * index < places.length; index += 1) {
    const across = (places[2 * index] / 10000) * width - x;
    const down = (1 - places[2 * index + 1] / 10000) * height - y;
    if (across * across + down * down <= least) [found, least] = [index, across * across + down * down];
  }
  return found;
}

// Accuracy and mean cost at a step of λ, as shares; the accuracy is none where no class is known.
export function figures(data, step) {
  const known = data.labels.filter((label) => label >= 0).length;
  const right = data.labels.filter((label, index) => label >= 0 && data.answers[step][index] === label).length;
  const cost = data.costs[step].reduce((sum, one) => sum + one, 0) / Math.max(data.labels.length, 1) / 1000;
  return { accuracy: known ? right / known : null, cost };
}
