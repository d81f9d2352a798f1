// What happened to an image, in sentences, as app/headline.py writes them. The image's class is not known here, and the route of largest
// capacity is not computed: answers are compared with that at λ = 1.

import { percent } from "./wording.mjs";

const [SURE, LEAD] = [0.5, 2]; // the smallest probability of a sure answer, and its smallest ratio to the next
const NAMED = 2; // skipped modules that are named one by one

export const answered = ({ probabilities }) => probabilities.every(([, share]) => Number.isFinite(share));

export function doubt(trace) {
  if (!answered(trace)) return "";
  const [first, second] = trace.probabilities.map(([, share]) => share).toSorted((one, other) => other - one);
  if (first < SURE) return `below ${percent(SURE)}`;
  return second !== undefined && first < LEAD * second ? `less than ${LEAD} times the next class` : "";
}

export function claim(trace) {
  if (!answered(trace)) return "No answer: the output is not a number.";
  return doubt(trace) ? `Unsure: perhaps “${trace.label}”.` : `The answer is “${trace.label}”.`;
}

// The three parts of a headline. `previous` is the trace at the next smaller λ, `last` that at λ = 1, each none where it is not known.
export function headline(recipe, trace, previous, last) {
  const { nodes, reference } = recipe;
  const modules = nodes.filter(({ kind }) => kind === "regular" || kind === "dummy").map(({ name }) => name);
  const ran = modules.filter((name) => trace.executed.includes(name)).length;
  const share = percent(trace.cost);
  if (!nodes.some(({ kind }) => kind === "control")) {
    const every = modules.length === 1 ? "its one module" : `all ${modules.length} modules`;
    return ["This network has no gates: ", `${every} ran, with ${share} of the static network’s computation`, ", as for every image."];
  }
  const channels = nodes.filter((node) => node.channels).flatMap(({ name }) => trace.open[name]);
  const closed = channels.filter((gate) => gate <= 0).length;
  if (!closed && sameSet(trace.executed, reference)) {
    const opening = ran === modules.length ? "All modules ran. " : "The full network ran. ";
    return [opening, `With its controllers, the network used ${share} of the static network’s computation`, "."];
  }
  const figures = `${ran} of ${modules.length} modules ran, with ${share} of the static network’s computation`;
  const scales = nodes.some(({ kind, decides }) => kind === "control" && decides === "each");
  const opened = `${channels.length - closed} of ${channels.length} channels opened: `;
  const opening = scales ? (closed ? opened : without(nodes, trace)) : turningPoint(nodes, trace, previous);
  return [opening, figures, !last || last === trace ? "." : compared(trace, last)];
}

const sameSet = (one, other) => one.length === other.length && one.every((name) => other.includes(name));

const compared = (trace, last) => (trace.label === last.label ? ", and at λ = 1 it gives the same answer." : `; at λ = 1 it answers “${last.label}”.`);

function without(nodes, trace) {
  const gated = nodes.filter(({ gates, kind }) => gates.length && kind !== "control").map(({ name }) => name);
  const skipped = gated.filter((name) => !trace.executed.includes(name));
  if (!skipped.length) return "";
  return skipped.length > NAMED ? `${skipped.length} of ${gated.length} gated modules were skipped: ` : `Without ${skipped.join(" and ")}: `;
}

// Names the controller that stopped, or else one that chose otherwise than at smaller λ, or else the last choice.
function turningPoint(nodes, trace, previous) {
  const controls = nodes.filter(({ name, kind }) => kind === "control" && trace.executed.includes(name));
  if (!controls.length) return "No controller ran: ";
  const names = controls.map(({ name }) => name);
  const last = controls.at(-1);
  const choices = trace.chosen[last.name];
  if (choices.length !== 1) return "";
  const [chosen] = choices;
  const alike = controls.every(({ name }) => trace.chosen[name].join() === chosen);
  const who = alike && names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${last.name}` : last.name;
  const column = last.options.indexOf(chosen);
  if (!nodes.some(({ gates }) => gates.some(([control, opened]) => control === last.name && opened === column))) return `${who} stopped here: `;
  const turned = previous && names.find((name) => previous.chosen[name].length && previous.chosen[name].join() !== trace.chosen[name].join());
  return turned ? `${turned} now chooses “${trace.chosen[turned]}”: ` : `${who} chose “${chosen}”: `;
}

// What changes along λ. `traces` are those of the intervals, which begin at `starts`.
export function along({ nodes, last_step: lastStep }, traces, starts, thresholds) {
  if (thresholds.length) return "Orange marks: values of λ at which this image takes a different route";
  const costs = traces.map(({ cost }) => cost);
  const [low, high] = [Math.min(...costs), Math.max(...costs)].map(percent);
  const scales = nodes.some(({ kind, decides }) => kind === "control" && decides === "each");
  if (traces.length === 1 || (low === high && !scales)) return "This image takes the same route at every λ";
  const what = nodes.some(({ channels }) => channels) ? "channels" : "scales of its gates";
  const cost = low === high ? "" : `, and with them the cost, from ${low} to ${high}`;
  const turns = traces.map((trace, index) => index).filter((index) => index && traces[index].label !== traces[index - 1].label);
  const answers = !turns.length
    ? "; the answer stays the same"
    : turns.length > 1
      ? `; the answer changes ${turns.length} times`
      : `; the answer changes from “${traces[turns[0] - 1].label}” to “${traces[turns[0]].label}” at λ = ${(starts[turns[0]] / lastStep).toFixed(2)}`;
  return `The same modules run at every λ. The ${what} change${cost}${answers}`;
}
