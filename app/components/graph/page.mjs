// Draws the view of one image and lights it for the slider’s λ. Only a click on a node asks the server.
// The view is what app/graph_view/payload.py describes. Its texts come from models and people, so they are only set as textContent or
// as attributes.

import { curve, drawCurve } from "./curve.mjs";
import { button, element } from "./dom.mjs";
import { draw } from "./drawing.mjs";
import { graphviz } from "./engine.mjs";
import { forcedLine, showForced } from "./forcing.mjs";
import { frame, makeDraggable, roomOf } from "./frame.mjs";
import { select, showInspector } from "./inspector.mjs";
import { FIRST_LAM, START_LAM, STEP, lacks, moveTo, rest, sendSelection, writeAddress } from "./lam.mjs";
import { place } from "./layout.mjs";
import { drawLegend } from "./legend.mjs";
import { light, reserveHeadline } from "./lighting.mjs";
import { noticeLine, notify } from "./notice.mjs";
import { playLam, stop } from "./playback.mjs";
import { toolbar } from "./toolbar.mjs";

const pages = new WeakMap(); // each mounted component's elements and state

function mount(root) {
  const page = {
    root, nodes: new Map(), edges: [], choices: [], continuations: [], selected: null, option: null, method: "",
    step: window[STEP] ?? null, zoom: 1, upto: null, playing: 0, awaited: null, unfolded: new Set(), follow() {},
  };
  const centre = element("section", { class: "centre", "aria-label": "Network" }, headline(page), forcedLine(page), slider(page), toolbar(page), canvas(page));
  page.answer = element("section", { class: "card answer", "aria-label": "Answer" });
  page.legend = element("div", { class: "card legend", "aria-hidden": "true" });
  page.inspector = element("section", { class: "card inspector", hidden: "" });
  page.announcement = element("p", { class: "unseen", role: "status" });
  root.replaceChildren(element("div", { class: "stage" }, centre, element("div", { class: "side" }, page.answer, page.inspector, page.legend)), page.announcement);
  makeDraggable(page);
  page.watcher = new ResizeObserver(() => {
    if (!page.data) return;
    reserveHeadline(page);
    arrange(page);
    light(page);
  });
  page.watcher.observe(root);
  page.watcher.observe(page.canvas);
  page.escape = (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && page.selected !== null) select(page, null);
  };
  document.addEventListener("keydown", page.escape);
  return page;
}

function headline(page) {
  page.claim = element("span", { class: "claim" });
  page.before = element("span");
  page.figures = element("em");
  page.after = element("span");
  page.headline = element("h2", { class: "headline", "aria-live": "polite" }, page.claim, " ", page.before, page.figures, page.after);
  return page.headline;
}

function slider(page) {
  page.lam = element("output", { class: "lam" });
  page.slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "λ: from 0, cheapest, to 1, most accurate" });
  page.ticks = element("div", { class: "ticks", "aria-hidden": "true" });
  const ends = element("div", { class: "ends" }, ...["0 · lowest cost", "", "highest accuracy · 1"].map((text) => element("span", {}, text)));
  page.marks = ends.children[1];
  page.note = element("p", { class: "cap" });
  page.sweep = button("▶ Play", "Play λ from 0 to 1", () => playLam(page));
  page.slider.addEventListener("input", () => {
    stop(page);
    moveTo(page, Number(page.slider.value));
  });
  page.slider.addEventListener("change", () => rest(page));
  const track = element("div", { class: "slider" }, page.slider, page.ticks);
  return element("div", { class: "lambda" }, element("div", { class: "head" }, page.lam, page.sweep), element("div", { class: "track" }, track, curve(page), ends), page.note);
}

function canvas(page) {
  page.canvas = element("div", { class: "canvas" });
  return element("div", { class: "stand" }, page.canvas, noticeLine(page));
}

// Places and draws the graph where it has changed, or the room for it. Until Graphviz is there, everything else is shown.
function arrange(page) {
  const { data } = page;
  if (!page.viz) {
    graphviz().then((viz) => {
      page.viz = viz;
      arrange(page);
      light(page);
    }, () => page.canvas.replaceChildren(element("p", { class: "cap" }, "The graph cannot be drawn, because a part of the studio did not load. Reload the page.")));
    return;
  }
  if (!page.canvas.clientWidth) {
    Object.assign(page, { layout: null, nodes: new Map(), edges: [], choices: [], continuations: [] });
    return;
  }
  const layout = place(data.drawing, page.viz, roomOf(page.canvas));
  if (layout !== page.layout) {
    page.layout = layout;
    draw(page);
    drawLegend(page);
  }
  frame(page);
}

function show(page) {
  const { data } = page;
  page.root.dataset.shows = data.link ?? "";
  page.root.classList.toggle("side-by-side", data.side_by_side);
  page.root.classList.toggle("ungated", !data.gated);
  page.root.classList.toggle("fixed", data.gated && !data.has_slider);
  page.actions.hidden = !data.live;
  page.slider.max = String(data.last_step);
  page.slider.disabled = !data.has_slider;
  page.slider.value = String(data.has_slider ? page.step : Math.round((data.lam ?? 0) * data.last_step));
  page.note.textContent = data.has_slider || data.pinned
    ? ""
    : data.gated
      ? `This network was trained for λ = ${data.lam} only. A network trained for every λ has a slider here.`
      : "This network has no gates: every image takes the same route, and λ changes nothing.";
  page.marks.textContent = data.along;
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
  showForced(page);
  drawCurve(page);
  reserveHeadline(page);
  arrange(page);
  drawLegend(page);
  showInspector(page);
  light(page);
  if (data.forcing.problem) notify(page, data.forcing.problem);
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".gate-graph");
  const page = pages.get(root) ?? mount(root);
  pages.set(root, page);
  page.data = data;
  page.send = setStateValue;
  page.pin = (step) => setTriggerValue("pin", step);
  page.force = (wanted) => setTriggerValue("force", wanted);
  const first = !page.shown;
  page.shown = true;
  const path = location.pathname;
  if (first) page.selected = data.selected;
  page.step ??= Math.round(data.last_step * FIRST_LAM);
  if (data.start_lam !== null && data.start_lam !== window[START_LAM]) {
    page.step = Math.round(data.last_step * data.start_lam);
    if (data.live) window[STEP] = page.step;
  }
  if (data.live) window[START_LAM] = data.start_lam; // the address's λ is applied once, even if the component is drawn again
  show(page);
  writeAddress(page);
  const named = first && page.selected !== null; // in the address
  if (data.live && (named || lacks(data, page.step))) sendSelection(page);
  if (data.live && data.pending !== null && data.pending !== page.awaited) {
    page.awaited = data.pending; // the server goes on as long as this is what the browser waits for
    setStateValue("awaited", data.pending);
  }
  return () => {
    page.watcher.disconnect();
    document.removeEventListener("keydown", page.escape);
    if (location.pathname !== path) delete window[START_LAM]; // a link on another page may lead here again
  };
}
