// The map of the images. λ and the colours change without the server; a picture appears where one points, and a click opens it.
import { address, element, link } from "./link.mjs";
import { colourOf, costRange, figures, kindOf, legend, mixed, nameOf, nearest, WRONG } from "./points.mjs";

const REACH = { mouse: 14, pen: 18, touch: 26 }; // pixels
const SHOWN = 144; // side of the shown picture in pixels
const COLOURS = [["route", "Route"], ["class", "Class"], ["right", "Right or wrong"], ["answer", "Answer"], ["cost", "Cost"]];
const percent = (share) => (share > 0 && share < 0.0995 ? `${(100 * share).toFixed(1)}%` : `${Math.round(100 * share)}%`);
const lamName = (lam) => (lam === null ? "" : `λ = ${lam}`);

class ImageMap {
  constructor(root) {
    this.root = root;
    this.canvas = element("canvas", { tabindex: "0", role: "application", "aria-label": "Map of the images. Arrow keys walk from picture to picture, Enter opens one." });
    this.slider = element("input", { type: "range", min: "0", "aria-label": "λ" });
    this.lam = element("output");
    this.summary = element("span", { class: "summary" });
    this.choice = element("div", { class: "choice", role: "radiogroup", "aria-label": "Colours" });
    this.legend = element("div", { class: "legend" });
    this.panel = element("div", { class: "panel", role: "status" });
    this.axis = element("p", { class: "axis" });
    this.head = element("div", { class: "head" }, this.lam, this.slider, this.summary);
    root.replaceChildren(this.head, this.choice, element("div", { class: "body" }, element("div", { class: "plot" }, this.canvas, this.axis), element("div", { class: "side" }, this.panel, this.legend)));
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  listen() {
    this.slider.addEventListener("input", () => this.show({ step: Number(this.slider.value) }));
    this.slider.addEventListener("change", () => this.tell());
    this.canvas.addEventListener("pointermove", (event) => event.pointerType !== "touch" && this.show({ at: this.found(event) }));
    this.canvas.addEventListener("click", (event) => {
      const at = this.found(event);
      if (event.pointerType === "touch") this.show({ at });
      else if (at >= 0 && (event.ctrlKey || event.metaKey)) window.open(address(this.data.run, at, this.data.lams[this.step]));
      else if (at >= 0) this.open(at);
    });
    this.canvas.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (by) this.show({ at: this.beside(by) });
      else if (event.key === "Enter" && this.at >= 0) this.open(this.at);
      else return;
      event.preventDefault();
    });
  }

  // Take other data; the person's own choices stay.
  take(data, open) {
    if (this.data?.map !== data.map) [this.step, this.at, this.lit, this.colour] = [data.start, -1, null, data.colour];
    [this.data, this.open] = [data, open];
    this.range = costRange(data);
    this.order = [...data.labels.keys()].sort((one, other) => data.places[2 * one] - data.places[2 * other]);
    [this.slider.max, this.slider.value] = [data.lams.length - 1, this.step];
    this.slider.hidden = data.lams.length < 2;
    this.axis.textContent = data.axis;
    this.choice.replaceChildren(...COLOURS.map(([value, text]) => {
      const made = element("button", { type: "button", role: "radio" }, text);
      made.addEventListener("click", () => this.show({ colour: value, lit: null }));
      made.dataset.value = value;
      return made;
    }));
    this.drawn = false; // the buttons, the legend and the figures are those of other data
    this.show({ at: this.at < data.labels.length ? this.at : -1 });
  }

  found(event) {
    const box = this.canvas.getBoundingClientRect();
    return nearest(this.data.places, event.clientX - box.left, event.clientY - box.top, box.width, box.height, REACH[event.pointerType] ?? REACH.mouse);
  }

  beside(by) {
    const count = this.order.length;
    return this.order[(this.order.indexOf(this.at) + by + count) % count] ?? -1;
  }

  // Tell the charts of the page which λ the map shows, and write it into the address.
  tell() {
    const place = new URL(location);
    place.searchParams.set("lam", String(this.data.lams[this.step]));
    history.replaceState(history.state, "", place);
    window.dispatchEvent(new CustomEvent("gatescope-atlas-step", { detail: { map: this.data.map, step: this.step } }));
  }

  // Change some of what is shown, and draw it.
  show(change) {
    const moved = change.at === undefined || (change.at !== this.at && change.at >= 0);
    if (change.at !== undefined) this.canvas.classList.toggle("over", change.at >= 0);
    if (!moved && this.drawn) return;
    if (change.at < 0) delete change.at; // the last picture stays
    Object.assign(this, change);
    if (change.at === undefined || !this.drawn) this.describe();
    this.picture();
    this.draw();
    this.drawn = true;
  }

  describe() {
    const { accuracy, cost } = figures(this.data, this.step);
    this.lam.textContent = lamName(this.data.lams[this.step]);
    this.summary.textContent = `${accuracy === null ? "" : `${percent(accuracy)} right · `}mean cost ${percent(cost)} of the static network’s`;
    for (const one of this.choice.children) one.setAttribute("aria-checked", String(one.dataset.value === this.colour));
    if (this.colour === "cost") {
      const bar = element("i", { class: "bar" });
      bar.style.background = `linear-gradient(to right, ${this.data.costScale.join(", ")})`;
      const [low, high] = this.range.map((end) => percent(end / 1000));
      this.legend.replaceChildren(element("p", {}, "Cost, as a share of the static network’s"), bar, element("div", { class: "ends" }, element("span", {}, low), element("span", {}, high)));
      return;
    }
    this.legend.replaceChildren(...legend(this.data, this.colour, this.step).map(({ kind, count, name }) => {
      const swatch = element("i", { class: "swatch" });
      swatch.style.background = colourOf(this.data, this.colour, kind);
      const made = element("button", { type: "button", title: "Show these images alone", "aria-pressed": String(this.lit === kind) }, swatch, element("span", {}, name), element("b", {}, String(count)));
      made.addEventListener("click", () => this.show({ lit: this.lit === kind ? null : kind }));
      return made;
    }));
  }

  picture() {
    const { data, at, step } = this;
    if (at < 0) {
      this.panel.replaceChildren(element("p", { class: "hint" }, data.hint));
      return;
    }
    const picture = element("i", { class: "picture" });
    const [column, row] = [at % data.columns, Math.floor(at / data.columns)];
    picture.style.backgroundImage = `url("${data.sheet}")`;
    picture.style.backgroundSize = `${data.columns * SHOWN}px auto`;
    picture.style.backgroundPosition = `${-column * SHOWN}px ${-row * SHOWN}px`;
    const kind = kindOf(data, "right", step, at);
    const [answer, cost] = [nameOf(data, "answer", data.answers[step][at]), percent(data.costs[step][at] / 1000)];
    const truth = element("b", {}, data.subjects?.[at] ?? nameOf(data, "class", data.labels[at]));
    const said = element("span", { class: kind }, kind === "right" ? `✓ answered “${answer}”` : `${kind === "wrong" ? "✗ " : ""}answered “${answer}”`);
    const route = nameOf(data, "route", kindOf(data, "route", step, at));
    const open = link(data.run, at, data.lams[step], this.open, { class: "open" }, "Open in Explore");
    this.panel.replaceChildren(picture, element("div", { class: "words" }, truth, said, element("span", {}, `cost ${cost} · ${route}`), open));
  }

  draw() {
    if (!this.data) return;
    const [width, height, scale] = [this.canvas.clientWidth, this.canvas.clientHeight, window.devicePixelRatio || 1];
    if (!width) return;
    [this.canvas.width, this.canvas.height] = [width * scale, height * scale];
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    const radius = Math.min(Math.max(0.2 * Math.sqrt((width * height) / Math.max(this.data.labels.length, 1)), 2), 6);
    const order = [...this.data.labels.keys()].filter((index) => index !== this.at);
    for (const index of this.at < 0 ? order : [...order, this.at]) this.dot(context, index, width, height, radius);
  }

  dot(context, index, width, height, radius) {
    const { data, colour, step } = this;
    const [x, y] = [(data.places[2 * index] / 10000) * width, (1 - data.places[2 * index + 1] / 10000) * height];
    const kind = kindOf(data, colour === "cost" ? "right" : colour, step, index);
    const [low, high] = this.range;
    const ink = colour === "cost" ? mixed(data.costScale, (data.costs[step][index] - low) / Math.max(high - low, 1)) : colourOf(data, colour, kind);
    context.globalAlpha = this.lit === null || this.lit === kind || colour === "cost" ? 0.85 : 0.08;
    context.fillStyle = context.strokeStyle = ink;
    if (ink === WRONG && kind === "wrong") {
      context.lineWidth = Math.max(radius * 0.6, 1.4);
      context.beginPath();
      context.moveTo(x - radius, y - radius);
      context.lineTo(x + radius, y + radius);
      context.moveTo(x + radius, y - radius);
      context.lineTo(x - radius, y + radius);
      context.stroke();
    } else {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fill();
    }
    if (index !== this.at) return;
    context.globalAlpha = 1;
    context.lineWidth = 2;
    context.strokeStyle = getComputedStyle(this.root).color;
    context.beginPath();
    context.arc(x, y, radius + 3, 0, 2 * Math.PI);
    context.stroke();
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".atlas-map");
  root.map ??= new ImageMap(root);
  root.map.take(data, (index) => setTriggerValue("open", index));
}
