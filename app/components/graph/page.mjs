// Draws the view of one image and lights it for the slider’s λ. Only a click on a node asks the server.
// The view is what app/graph_view/payload.py describes. Its texts come from models and people, so they are only set as textContent or
// as attributes.

import { cheapestButton, nameCheapest } from "./cheapest.mjs";
import { showCompared } from "./compared.mjs";
import { curve, drawCurve } from "./curve.mjs";
import { button, element } from "./dom.mjs";
import { draw, nothingDrawn } from "./drawing.mjs";
import { graphviz } from "./engine.mjs";
import { forcedLine, showForced } from "./forcing.mjs";
import { fit, frame, makeDraggable, roomOf, zoom } from "./frame.mjs";
import { hint, hintCard } from "./hint.mjs";
import { select, showInspector } from "./inspector.mjs";
import { FIRST_LAM, STEP, VISIT, lacks, moveTo, rest, sendSelection, writeAddress } from "./lam.mjs";
import { place } from "./layout.mjs";
import { drawLegend } from "./legend.mjs";
import { light, reserveHeadline } from "./lighting.mjs";
import { noticeLine, notify } from "./notice.mjs";
import { playLam, stop } from "./playback.mjs";
import { toolbar } from "./toolbar.mjs";

const AGAIN = 500; // milliseconds after which the server is asked again, where another page was about to come
const pages = new WeakMap(); // each mounted component's elements and state

function mount(root) {
  const page = {
    root, ...nothingDrawn(), compared: [], selected: null, option: null, method: "",
    step: window[STEP] ?? null, zoom: 1, upto: null, playing: 0, together: 0, awaited: null, unfolded: new Set(), follow() {},
  };
  const centre = element("section", { class: "centre", "aria-label": "Network" }, headline(page), forcedLine(page), slider(page), toolbar(page), canvas(page));
  page.answer = element("section", { class: "card answer", "aria-label": "Answer" });
  page.legend = element("div", { class: "card legend" });
  page.inspector = element("section", { class: "card inspector", hidden: "" });
  page.announcement = element("p", { class: "unseen", role: "status" });
  root.replaceChildren(element("div", { class: "stage" }, centre, element("div", { class: "side" }, page.answer, page.inspector, page.legend)), hintCard(page), page.announcement);
  makeDraggable(page, page.canvas);
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
  page.marks = element("span");
  const middle = element("span", {}, page.marks, hint(page, "route"));
  const ends = element("div", { class: "ends" }, element("span", {}, "0 · lowest cost"), middle, element("span", {}, "highest accuracy · 1"));
  page.note = element("p", { class: "cap" });
  page.sweep = button("▶ Play", "Play λ from 0 to 1", () => playLam(page));
  page.slider.addEventListener("input", () => {
    stop(page);
    moveTo(page, Number(page.slider.value));
  });
  page.slider.addEventListener("change", () => rest(page));
  const track = element("div", { class: "slider" }, page.slider, page.ticks);
  return element("div", { class: "lambda" }, element("div", { class: "head" }, element("span", { class: "lam-line" }, page.lam, hint(page, "λ", "budget", "calibration")), page.sweep, cheapestButton(page)), element("div", { class: "track" }, track, curve(page), ends), page.note);
}

function canvas(page) {
  page.canvas = element("div", { class: "canvas" });
  page.title = element("header", { class: "view", hidden: "" });
  page.stands = element("div", { class: "stands" }, element("div", { class: "stand" }, page.title, page.canvas, noticeLine(page)));
  return page.stands;
}

// Places and draws the graphs where they have changed, or the room for them. Until Graphviz is there, everything else is shown.
function arrange(page) {
  if (!page.viz) {
    graphviz().then((viz) => {
      page.viz = viz;
      arrange(page);
      light(page);
    }, () => page.canvas.replaceChildren(element("p", { class: "cap" }, "The graph cannot be drawn, because a part of the studio did not load. Reload the page.")));
    return;
  }
  for (const sheet of [page, ...page.compared]) {
    if (!sheet.canvas.clientWidth) {
      Object.assign(sheet, nothingDrawn());
      continue;
    }
    const layout = place(sheet.data.drawing, page.viz, roomOf(sheet.canvas));
    if (layout !== sheet.layout) {
      sheet.layout = layout;
      draw(page, sheet);
      drawLegend(page);
    }
    frame(page, sheet);
  }
  fitTogether(page);
}

// Shows graphs whole as soon as they stand side by side, and one alone as large as before.
function fitTogether(page) {
  const count = page.compared.length;
  if (count === page.together) return;
  page.together = count;
  if (count) fit(page);
  else zoom(page, 1);
}

function show(page) {
  const { data } = page;
  page.root.dataset.shows = data.link ?? "";
  page.root.classList.toggle("ungated", !data.gated);
  page.root.classList.toggle("fixed", data.gated && !data.has_slider);
  page.root.classList.toggle("scaling", data.drawing.nodes.some((node) => node.decides === "each")); // what changes along λ takes two lines there
  page.actions.hidden = !data.live;
  page.slider.max = String(data.last_step);
  page.slider.disabled = !data.has_slider;
  page.slider.value = String(data.has_slider ? page.step : Math.round((data.lam ?? 0) * data.last_step));
  page.note.textContent = data.has_slider
    ? ""
    : data.gated
      ? `This network was trained for λ = ${data.lam} only. A network trained for every λ has a slider here.`
      : "This network has no gates: every image takes the same route, and λ changes nothing.";
  page.marks.textContent = data.along;
  nameCheapest(page);
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
  showCompared(page);
  drawCurve(page);
  reserveHeadline(page);
  arrange(page);
  drawLegend(page);
  showInspector(page);
  light(page);
  if (data.forcing.problem) notify(page, data.forcing.problem);
}

// Calls a function once what was changed is on the screen, or at once where the page is not seen.
function painted(then) {
  if (document.hidden) then();
  else requestAnimationFrame(() => setTimeout(then));
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".gate-graph");
  const page = pages.get(root) ?? mount(root);
  pages.set(root, page);
  page.data = data;
  page.send = (name, value) => {
    const leaves = window.followingLink?.() ?? false; // see following.js
    if (!leaves) setStateValue(name, value);
    return !leaves;
  };
  page.compare = (wanted) => setTriggerValue("compare", wanted);
  page.force = (wanted) => setTriggerValue("force", wanted);
  const first = !page.shown;
  page.shown = true;
  const arrives = data.live && data.visit !== window[VISIT];
  if (first || arrives) page.selected = data.selected;
  page.step ??= Math.round(data.last_step * FIRST_LAM);
  if (data.start_lam !== null && (arrives || (first && !data.live))) {
    page.step = Math.round(data.last_step * data.start_lam);
    if (data.live) window[STEP] = page.step;
  }
  if (data.live) window[VISIT] = data.visit; // the address holds once, even if the component is drawn again
  show(page);
  writeAddress(page);
  const named = (first && page.selected !== null) || (arrives && !first); // in the address
  if (data.live && (named || lacks(data, page.step))) sendSelection(page);
  if (data.live && data.pending !== null && data.pending !== page.awaited) {
    page.awaited = data.pending; // the server goes on as long as this is what the browser waits for
    const ask = () => {
      if (root.isConnected && data.pending === page.awaited && !page.send("awaited", data.pending)) setTimeout(ask, AGAIN);
    };
    painted(ask);
  }
  return () => {
    page.watcher.disconnect();
    document.removeEventListener("keydown", page.escape);
  };
}
