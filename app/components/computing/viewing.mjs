// Makes the view of an image that the graph shows (app/graph_view/payload.py) of its traces.

import { factsOf } from "./behaviour.mjs";
import { along, answered, claim, doubt, headline } from "./sentences.mjs";
import { sameRoute } from "./trace.mjs";
import { counted, percent, scaled } from "./wording.mjs";

const TOP = 5; // classes that the answer lists
const FULL = 2; // the scale from which a channel's cell has the full colour

// The view of an image. `view` is the one that the page was saved with, `known` maps steps of the slider to traces, `thresholds` are the values
// of λ at which the route changes, null until all is known.
export function viewOf(view, recipe, picture, description, known, thresholds) {
  const steps = [...known.keys()].sort((one, other) => one - other);
  const { traces, starts } = intervalsOf(steps, known);
  const whole = thresholds !== null;
  const last = whole && view.has_slider ? known.get(steps.at(-1)) : null;
  return {
    ...view, picture, description, starts,
    intervals: traces.map((trace, index) => interval(recipe, trace, traces[index - 1] ?? null, last && sameRoute(last, trace) ? trace : last)),
    scored: begins(steps),
    scores: scoresOf(recipe, steps, known),
    along: !view.has_slider ? "" : whole ? along(recipe, traces, starts, thresholds) : `${steps.length} of ${recipe.last_step + 1} values of λ so far; in between, the nearest of them is shown`,
    computed: whole ? null : steps,
    thresholds: thresholds ?? [],
    facts: whole ? factsOf(recipe, traces, starts) : recipe.facts,
    compared: [], comparison: null, inspection: null, start_lam: null, timing_note: "",
  };
}

// The step from which each known step is the nearest.
const begins = (steps) => steps.map((step, index) => (index ? ((steps[index - 1] + step) >> 1) + 1 : 0));

// Neighbouring steps with the same route as one interval each.
function intervalsOf(steps, known) {
  const from = begins(steps);
  const kept = steps.map((_, index) => index).filter((index) => !index || !sameRoute(known.get(steps[index]), known.get(steps[index - 1])));
  return { traces: kept.map((index) => known.get(steps[index])), starts: kept.map((index) => from[index]) };
}

// The gates of controllers whose gates open independently, at each known step; where one option is chosen, the program returns no scores.
function scoresOf({ nodes }, steps, known) {
  const each = nodes.filter(({ kind, decides }) => kind === "control" && decides === "each");
  return Object.fromEntries(each.map(({ name }) => [name, steps.map((step) => known.get(step)).map(({ own, executed }) => (executed.includes(name) ? own.get(name) : null))]));
}

function interval(recipe, trace, previous, last) {
  const { shown, scaling } = recipe;
  const ranked = trace.probabilities.toSorted((one, other) => other[1] - one[1]).slice(0, TOP);
  const told = answered(trace);
  return {
    claim: claim(trace),
    correct: null,
    doubt: doubt(trace),
    headline: headline(recipe, trace, previous, last),
    executed: shown.filter(({ last_member: member }) => trace.executed.includes(member)).map(({ name }) => name),
    strips: Object.fromEntries(shown.filter(({ strip_cells: cells }) => cells).map((node) => [node.name, strip(node, trace)])),
    chosen: Object.fromEntries(shown.filter(({ name }) => name in trace.chosen).map(({ name }) => [name, trace.chosen[name]])),
    scales: Object.fromEntries(scaling.map((name) => [name, scaled(trace.scales[name])])),
    label: told ? trace.label : "no answer",
    probabilities: told ? ranked.map(([name, share]) => [name, share, percent(share)]) : [],
    macs: counted(trace.macs),
    cost: trace.cost,
    cost_share: percent(trace.cost),
    time: "", time_range: "", time_comparison: "",
  };
}

// A digit for each cell of a node's strip: 0 where all its channels are closed, else 1 to 9 by the mean of their scales.
function strip({ name, blocks, strip_cells: cells }, trace) {
  const gates = blocks.length ? blocks.map((block) => FULL * trace.executed.includes(block)) : [trace.open[name]].flat();
  const size = Math.ceil(gates.length / cells);
  const means = Array.from({ length: Math.ceil(gates.length / size) }, (_, cell) => {
    const values = gates.slice(cell * size, (cell + 1) * size);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  });
  return means.map((mean) => (mean <= 0 ? 0 : Math.min(9, 1 + Math.round((8 * mean) / FULL)))).join("");
}
