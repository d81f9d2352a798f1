// When a node runs for an image, and what it chooses, as app/graph_view/facts.py says it.

// The details of every node for an image: what holds for all images, when the node runs for this one, and where its choice changes.
export function factsOf(recipe, traces, starts) {
  const found = Object.create(null);
  for (const [name, facts] of Object.entries(recipe.facts)) {
    const choices = choicesOf(name, traces, starts);
    const rest = choices.slice(1).map(([start, option]) => `, then “${option}” from λ = ${lamOf(recipe, start)}`);
    const chooses = rest.length ? [`It chooses “${choices[0][1]}” at first${rest.join("")}.`] : [];
    const switches = choices.slice(1).map(([start]) => start / recipe.last_step);
    found[name] = { ...facts, lines: [...facts.lines, when(recipe, name, traces, starts), ...chooses], switches };
  }
  return found;
}

const lamOf = ({ last_step: lastStep }, step) => (step / lastStep).toFixed(2);

// Where a controller's choice changes, as pairs of the step and the new choice, its first choice included.
function choicesOf(name, traces, starts) {
  const found = [];
  traces.forEach(({ chosen }, index) => {
    const options = chosen[name] ?? [];
    if (options.length === 1 && found.at(-1)?.[1] !== options[0]) found.push([starts[index], options[0]]);
  });
  return found;
}

function when(recipe, name, traces, starts) {
  const ran = traces.map(({ executed }) => executed.includes(name));
  if (ran.every((runs) => runs === ran[0])) return `For this image it ${ran[0] ? "runs" : "is skipped"}${ran.length > 1 ? " at every λ" : ""}.`;
  const spans = [];
  ran.forEach((runs, index) => {
    const end = (starts[index + 1] ?? recipe.last_step + 1) - 1;
    if (!runs) return;
    if (ran[index - 1]) spans.at(-1)[1] = end;
    else spans.push([starts[index], end]);
  });
  const words = spans.map(([start, end]) => `from λ = ${lamOf(recipe, start)}${end < recipe.last_step ? ` to ${lamOf(recipe, end)}` : " upwards"}`);
  return `For this image it runs ${words.join(" and ")}.`;
}
