// What a run of the network says of an image at one λ.

// The trace of a run: what ran, what each controller chose, the gates of each node, the answer and the cost.
export function traceOf(recipe, { logits, macs, ran, gates }, lam) {
  const { nodes, classes, macs_static: whole } = recipe;
  const runs = new Map(nodes.map(({ name }, index) => [name, ran[index]]));
  const own = new Map(); // each controller's gates
  let first = 0;
  for (const { name, kind, options } of nodes) {
    if (kind !== "control") continue;
    own.set(name, gates.slice(first, first + options.length));
    first += options.length;
  }
  const chosen = Object.create(null); // without the names that every object knows, such as "constructor"
  for (const { name, kind, options } of nodes) {
    if (kind === "control") chosen[name] = runs.get(name) ? options.filter((_, column) => own.get(name)[column] > 0) : [];
  }
  const scales = Object.create(null); // of each gated node
  const open = Object.create(null); // the gates of each gated node: a number, or a list for a node whose channels have gates
  for (const node of nodes) {
    if (!node.gates.length && !node.channels) continue;
    const opening = node.gates.length ? Math.max(...node.gates.map(([control, column]) => own.get(control)[column])) : 1;
    scales[node.name] = runs.get(node.name) ? opening : 0;
    open[node.name] = scales[node.name];
    if (node.channels) {
      const { control, first: begin, count } = node.channels;
      open[node.name] = own.get(control).slice(begin, begin + count).map((gate) => gate * scales[node.name]);
    }
  }
  const shares = softmax(logits);
  const probabilities = classes.map((name, index) => [name, shares[index]]);
  const label = probabilities.reduce((best, one) => (one[1] > best[1] ? one : best))[0];
  const executed = nodes.map(({ name }) => name).filter((name) => runs.get(name));
  return { lam, label, probabilities, executed, chosen, own, scales, open, macs, cost: macs / Math.max(whole, 1) };
}

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

// Whether the same nodes ran with the same gates.
export const sameRoute = (one, other) => sameNodes(one, other) && JSON.stringify(one.open) === JSON.stringify(other.open);

export const sameNodes = (one, other) => one.executed.length === other.executed.length && one.executed.every((name, index) => name === other.executed[index]);
