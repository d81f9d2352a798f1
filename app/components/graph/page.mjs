// Draws the view of one image and lights it for the slider’s λ. Only a click on a node asks the server.
// The view is what app/graph_view/payload.py describes. Its texts come from models and people, so they are only set as textContent or
// as attributes.

import { button, element } from "./dom.mjs";
import { draw } from "./drawing.mjs";
import { graphviz } from "./engine.mjs";
import { ZOOM, fit, frame, makeDraggable, roomOf, zoom } from "./frame.mjs";
import { showDetails } from "./inspector.mjs";
import { FIRST_LAM, START_LAM, STEP, moveTo, rest, sendSelection, writeAddress } from "./lam.mjs";
import { place } from "./layout.mjs";
import { drawLegend } from "./legend.mjs";
import { light, reserveHeadline } from "./lighting.mjs";
import { noticeLine } from "./notice.mjs";
import { playLam, playSteps, stop } from "./playback.mjs";
import { actions } from "./saving.mjs";
import { seek } from "./search.mjs";

const pages = new WeakMap(); // each mounted component's elements and state

function mount(root) {
  const page = { root, nodes: new Map(), edges: [], choices: [], continuations: [], selected: null, step: window[STEP] ?? null, zoom: 1, upto: null, playing: 0, follow() {} };
  page.before = element("span");
  page.figures = element("em");
  page.after = element("span");
  page.headline = element("h2", { class: "headline", "aria-live": "polite" }, page.before, page.figures, page.after);
  page.lam = element("output", { class: "lam" });
  page.slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "λ: from 0, cheapest, to 1, most accurate" });
  page.ticks = element("div", { class: "ticks", "aria-hidden": "true" });
  const ends = element("div", { class: "ends" }, ...["0 · lowest cost", "", "highest accuracy · 1"].map((text) => element("span", {}, text)));
  page.marks = ends.children[1];
  page.note = element("p", { class: "cap" });
  page.canvas = element("div", { class: "canvas" });
  page.legend = element("div", { class: "legend", "aria-hidden": "true" });
  page.sweep = button("▶ Play", "Play λ from 0 to 1", () => playLam(page));
  const head = element("div", { class: "head" }, page.lam, page.sweep);
  const control = element("div", { class: "slider" }, page.slider, page.ticks);
  const parts = [head, control, ends, page.note, toolbar(page), noticeLine(page), page.canvas, page.legend];
  const graph = element("section", { class: "card graph", "aria-label": "Network" }, ...parts);
  page.answer = element("section", { class: "card answer", "aria-label": "Answer" });
  page.details = element("section", { class: "card details" });
  page.announcement = element("p", { class: "unseen", role: "status" });
  root.replaceChildren(page.headline, element("div", { class: "grid" }, graph, page.answer), page.announcement, page.details);
  page.slider.addEventListener("input", () => {
    stop(page);
    moveTo(page, Number(page.slider.value));
  });
  page.slider.addEventListener("change", () => rest(page));
  makeDraggable(page);
  page.watcher = new ResizeObserver(() => {
    if (!page.data) return;
    arrange(page);
    reserveHeadline(page);
  });
  page.watcher.observe(root);
  page.watcher.observe(page.canvas);
  return page;
}

function toolbar(page) {
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

function show(page) {
  const { data, slider } = page;
  page.root.classList.toggle("side-by-side", data.side_by_side);
  page.root.classList.toggle("ungated", !data.gated);
  page.root.classList.toggle("fixed", data.gated && !data.has_slider);
  page.actions.hidden = !data.live;
  slider.max = String(data.last_step);
  slider.disabled = !data.has_slider;
  slider.value = String(data.has_slider ? page.step : Math.round((data.lam ?? 0) * data.last_step));
  page.note.textContent = data.has_slider || data.pinned
    ? ""
    : data.gated
      ? `This network was trained for λ = ${data.lam} only. A network trained for every λ has a slider here.`
      : "This network has no gates: every image takes the same route, and λ changes nothing.";
  const image = Object.keys(data.forced).length ? "With the modules you forced, this image" : "This image";
  page.marks.textContent = data.thresholds.length
    ? "Orange marks: values of λ at which this image takes a different route"
    : `${image} takes the same route at every λ`;
  page.ticks.replaceChildren(...data.thresholds.map((lam) => {
    const tick = element("i", { title: `λ = ${lam.toFixed(2)}` });
    tick.style.left = `calc(9px + (100% - 18px) * ${lam})`;
    return tick;
  }));
  page.names.replaceChildren(...data.drawing.nodes.map((node) => element("option", { value: node.name })));
  page.fold.disabled = !data.expanded.length;
  page.fold.hidden = !data.drawing.nodes.some((node) => node.members.length) && !data.expanded.length;
  if (page.selected !== null && !data.drawing.nodes.some((node) => node.name === page.selected)) {
    page.selected = null;
    sendSelection(page);
  }
  arrange(page);
  drawLegend(page);
  showDetails(page);
  reserveHeadline(page);
}

// Places and draws the graph where it has changed, or the room for it. Until Graphviz is there, everything else is shown.
function arrange(page) {
  const { data, canvas } = page;
  if (!page.viz) {
    graphviz().then((viz) => {
      page.viz = viz;
      arrange(page);
      light(page);
    }, () => canvas.replaceChildren(element("p", { class: "cap" }, "The graph cannot be drawn, because a part of the studio did not load. Reload the page.")));
    return;
  }
  if (!canvas.clientWidth) return;
  const layout = place(data.drawing, page.viz, roomOf(canvas));
  if (layout !== page.layout) {
    page.layout = layout;
    draw(page);
  }
  frame(page);
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".gate-graph");
  const page = pages.get(root) ?? mount(root);
  pages.set(root, page);
  page.data = data;
  page.send = setStateValue;
  page.pin = (step) => setTriggerValue("pin", step);
  const first = !page.shown;
  page.shown = true;
  const path = location.pathname;
  if (first) page.selected = data.selected;
  page.step ??= Math.round(data.last_step * FIRST_LAM);
  if (data.start_lam !== null && data.start_lam !== window[START_LAM]) page.step = Math.round(data.last_step * data.start_lam);
  if (data.live) window[START_LAM] = data.start_lam; // the address's λ is applied once, even if the component is drawn again
  show(page);
  writeAddress(page);
  if (first && page.selected !== null && data.live) sendSelection(page); // the address named it
  return () => {
    page.watcher.disconnect();
    if (location.pathname !== path) delete window[START_LAM]; // a link on another page may lead here again
  };
}
