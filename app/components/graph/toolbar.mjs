// The tools above the graph.

import { button, element } from "./dom.mjs";
import { ZOOM, fit, zoom } from "./frame.mjs";
import { playSteps } from "./playback.mjs";
import { actions } from "./saving.mjs";
import { seek } from "./search.mjs";

export function toolbar(page) {
  page.steps = button("▷ Step through", "Play the execution node by node", () => playSteps(page));
  page.find = element("input", { type: "search", placeholder: "Find a node", "aria-label": "Find a node", list: "gatescope-nodes" });
  page.names = element("datalist", { id: "gatescope-nodes" });
  page.fold = button("Fold", "Fold repeated blocks again", () => page.send("expanded", []));
  page.find.addEventListener("input", () => seek(page));
  page.find.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    const [first] = seek(page, 1);
    if (first && page.found.length === 1) page.nodes.get(first).group.focus();
  });
  return element(
    "div",
    { class: "tools", role: "toolbar", "aria-label": "Graph" },
    page.steps,
    button("−", "Make the graph smaller", () => zoom(page, page.zoom / ZOOM.step)),
    button("+", "Make the graph larger", () => zoom(page, page.zoom * ZOOM.step)),
    button("Fit", "Show the whole graph", () => fit(page)),
    page.fold,
    page.find,
    page.names,
    actions(page),
  );
}
