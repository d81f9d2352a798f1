// Draws the view of one image and lights it for the slider's λ. Nothing here asks the server, but for a click on a node.
// Every text comes from a model or a person, so it is only ever set as textContent or as an attribute.

const SVG = "http://www.w3.org/2000/svg";
const KEPT = "gatescopeStep"; // of the window: where the slider stands, for pages that come after this one in the same visit
const FIRST = 50; // where the slider stands before it was ever moved
const ASKED = "gatescopeAsked"; // of the window: the λ of the address that was last obeyed
const ROOM = { width: 560, height: 336 }; // a smaller graph is not enlarged beyond this
const SMALLEST = 0.62; // below this scale the graph scrolls sideways instead of shrinking
const NARROW = 520; // a canvas in which the whole graph comes first
const SAID = 6000; // milliseconds for which words above the graph stay
const LINES = 3; // options listed below a control node
const HEADER = 18; // height of a line of small text
const ZOOM = { step: 1.25, least: 0.25, most: 4 };
const SWEEP = 6000; // milliseconds for λ from 0 to 1
const INKED = ["display", "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "paint-order", "font", "text-anchor", "opacity"]; // in a picture
const STYLES = 4; // lines of a plot that can be told apart
const PLOT = { width: 320, height: 120, left: 40, right: 8, top: 8, bottom: 20 };
const BEAT = 260; // milliseconds for which the playing of an execution stays with a node

const pages = new WeakMap(); // of each mounted component, its elements and where it stands

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

const shape = (name, attributes = {}, text) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

function mount(root) {
  const page = { root, nodes: new Map(), edges: [], choices: [], selected: null, step: window[KEPT] ?? FIRST, zoom: 1, upto: null, playing: 0, follow() {} };
  page.before = element("span");
  page.figures = element("em");
  page.after = element("span");
  page.headline = element("h2", { class: "headline", "aria-live": "polite" }, page.before, page.figures, page.after);
  page.lam = element("output", { class: "lam" });
  page.slider = element("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": "λ: from 0, cheapest, to 1, most accurate" });
  page.ticks = element("div", { class: "ticks", "aria-hidden": "true" });
  const ends = element("div", { class: "ends" }, ...["0 · cheapest", "", "most accurate · 1"].map((text) => element("span", {}, text)));
  page.marks = ends.children[1];
  page.note = element("p", { class: "cap" });
  page.canvas = element("div", { class: "canvas" });
  page.legend = element("div", { class: "legend", "aria-hidden": "true" });
  page.sweep = button("▶ play", "Play λ from 0 to 1", () => playLam(page));
  const head = element("div", { class: "head" }, page.lam, page.sweep);
  const control = element("div", { class: "slider" }, page.slider, page.ticks);
  const parts = [head, control, ends, page.note, toolbar(page), line(page), page.canvas, page.legend];
  const graph = element("section", { class: "card graph", "aria-label": "Network" }, ...parts);
  page.answer = element("section", { class: "card answer", "aria-label": "Answer" });
  page.closer = element("section", { class: "card closer" });
  page.told = element("p", { class: "unseen", role: "status" });
  root.replaceChildren(page.headline, element("div", { class: "grid" }, graph, page.answer), page.told, page.closer);
  page.slider.addEventListener("input", () => {
    stop(page);
    stand(page, Number(page.slider.value));
  });
  page.slider.addEventListener("change", () => tell(page));
  grip(page);
  page.watcher = new ResizeObserver(() => {
    if (root.offsetWidth === page.width) return;
    page.width = root.offsetWidth;
    settle(page);
  });
  page.watcher.observe(root);
  return page;
}

function button(text, title, act) {
  const made = element("button", { type: "button", title, "aria-label": title }, text);
  made.addEventListener("click", act);
  return made;
}

function toolbar(page) {
  page.steps = button("▷ in order", "Play the execution node by node", () => playSteps(page));
  page.find = element("input", { type: "search", placeholder: "find a node", "aria-label": "Find a node", list: "gatescope-nodes" });
  page.names = element("datalist", { id: "gatescope-nodes" });
  page.fold = button("fold", "Fold repeated blocks again", () => page.send("opened", []));
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
    button("fit", "Show the whole graph", () => fit(page)),
    page.fold,
    page.find,
    page.names,
    takeAway(page),
  );
}

// One line above the graph: what was said last for a while, else what is selected and the way to more of it, else what can be done.
function line(page) {
  page.said = element("span", { role: "status" });
  page.brief = element("span");
  page.more = button("more ↓", "Go to what is known of this node", () => page.closer.scrollIntoView({ behavior: "smooth", block: "nearest" }));
  return element("div", { class: "brief" }, page.said, page.brief, page.more);
}

function say(page, words) {
  page.said.textContent = words;
  clearTimeout(page.silence);
  page.silence = setTimeout(() => (page.said.textContent = ""), SAID);
}

// What can be taken away without the server: a picture of the graph, and the address that reopens the view.
function takeAway(page) {
  page.away = element(
    "span",
    { class: "away" },
    button("link", "Copy a link that reopens this view", () => copyLink(page)),
    button("pin", "Keep this view beside the next one", () => page.pin(page.step)),
    button("SVG", "Save the graph as SVG", () => save(new Blob([drawing(page)], { type: "image/svg+xml" }), "gatescope.svg")),
    button("PNG", "Save the graph as PNG", () => savePicture(page)),
  );
  return page.away;
}

async function copyLink(page) {
  const { link, every_lam: everyLam } = page.data;
  if (link === null) {
    say(page, "Your own picture stays private: no link can reopen it.");
    return;
  }
  const lam = everyLam ? `&lam=${(page.step / 100).toFixed(2)}` : "";
  const node = page.selected === null ? "" : `&node=${encodeURIComponent(page.selected)}`;
  const query = link + lam + node;
  const address = `${location.origin}${location.pathname}?${query}`;
  try {
    await navigator.clipboard.writeText(address);
    say(page, page.data.paired ? "Link copied; the pinned view is not in it." : "Link copied.");
  } catch {
    say(page, address);
  }
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// The graph as it looks now, with its styles written into it.
function drawing(page) {
  const svg = page.canvas.firstElementChild;
  const copy = svg.cloneNode(true);
  const [from, to] = [[svg, ...svg.querySelectorAll("*")], [copy, ...copy.querySelectorAll("*")]];
  from.forEach((one, index) => {
    const style = getComputedStyle(one);
    to[index].removeAttribute("class");
    to[index].setAttribute("style", INKED.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
  });
  const [, , width, height] = svg.getAttribute("viewBox").split(" ");
  for (const [key, value] of Object.entries({ xmlns: SVG, width, height })) copy.setAttribute(key, value);
  copy.style.background = getComputedStyle(page.root.querySelector(".card")).backgroundColor;
  return new XMLSerializer().serializeToString(copy);
}

function savePicture(page) {
  const image = new Image();
  image.onload = () => {
    const sheet = element("canvas", { width: 2 * image.width, height: 2 * image.height });
    sheet.getContext("2d").drawImage(image, 0, 0, sheet.width, sheet.height);
    sheet.toBlob((blob) => save(blob, "gatescope.png"));
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawing(page))}`;
}

// Moves the slider's λ without asking the server.
function stand(page, step) {
  page.step = step;
  page.slider.value = String(step);
  window[KEPT] = step;
  light(page);
}

// Once the slider has been moved the address holds λ, so that reloading the page shows the same.
function inscribe(page) {
  if (!page.data.away || !page.data.every_lam || window[KEPT] === undefined) return;
  const address = new URL(location.href);
  const lam = (page.step / 100).toFixed(2);
  if (address.searchParams.get("lam") === lam) return;
  address.searchParams.set("lam", lam);
  history.replaceState(history.state, "", address);
}

// The slider has come to rest: the server is told if somebody looks at a node.
function tell(page) {
  inscribe(page);
  if (page.selected !== null && page.data.every_lam) look(page);
}

function look(page) {
  page.send("looked", { selected: page.selected, step: page.step });
}

function stop(page) {
  cancelAnimationFrame(page.playing);
  page.playing = 0;
  page.upto = null;
  page.sweep.textContent = "▶ play";
  page.steps.textContent = "▷ in order";
}

function play(page, control, from, length, at) {
  const running = control.textContent.startsWith("■");
  stop(page);
  if (running) {
    light(page);
    tell(page);
    return;
  }
  control.textContent = "■ stop";
  const start = performance.now() - from;
  const next = (now) => {
    const share = Math.min((now - start) / length, 1);
    at(share);
    if (share < 1) page.playing = requestAnimationFrame(next);
    else {
      stop(page);
      light(page);
      tell(page);
    }
  };
  page.playing = requestAnimationFrame(next);
}

function playLam(page) {
  const from = page.step < 100 ? page.step : 0;
  play(page, page.sweep, (SWEEP * from) / 100, SWEEP, (share) => stand(page, Math.round(100 * share)));
}

function playSteps(page) {
  const { ran } = stretchAt(page.data, page.data.every_lam ? page.step : 0);
  play(page, page.steps, 0, BEAT * ran.length, (share) => {
    page.upto = Math.ceil(share * ran.length);
    light(page);
  });
}

// The nodes whose names hold what is looked for, marked, and one of them brought into sight: the first, or `further` ones.
function seek(page, further = 0) {
  const wanted = page.find.value.trim().toLowerCase();
  const all = wanted ? [...page.nodes.keys()].filter((one) => one.toLowerCase().includes(wanted)) : [];
  const again = all.join() === page.found?.join();
  page.found = all;
  page.turn = again ? page.turn + further : 0;
  for (const [other, { group }] of page.nodes) group.classList.toggle("found", all.includes(other));
  if (wanted) say(page, all.length ? `${all.length === 1 ? "one node" : `${(page.turn % all.length) + 1} of ${all.length} nodes`}: ${all[page.turn % all.length]}` : "no node is called so");
  if (all.length) page.nodes.get(all[page.turn % all.length]).group.scrollIntoView({ block: "nearest", inline: "center" });
  return all;
}

function zoom(page, factor) {
  page.zoom = Math.min(Math.max(factor, ZOOM.least), ZOOM.most);
  frame(page);
}

function fit(page) {
  page.zoom = 1;
  frame(page);
  const svg = page.canvas.firstElementChild.getBoundingClientRect();
  zoom(page, Math.min(1, page.canvas.clientHeight / svg.height, page.canvas.clientWidth / svg.width));
}

// Dragging the canvas moves the graph, the wheel with Ctrl (or two fingers) makes it larger.
function grip(page) {
  const { canvas } = page;
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(page, page.zoom * Math.exp(-event.deltaY / 300));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0 || event.target.closest(".node:not(.again)")) return;
    const [x, y, left, top] = [event.clientX, event.clientY, canvas.scrollLeft, canvas.scrollTop];
    const move = (to) => canvas.scrollTo(left + x - to.clientX, top + y - to.clientY);
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.add("held");
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", () => {
      canvas.removeEventListener("pointermove", move);
      canvas.classList.remove("held");
    }, { once: true });
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "+") zoom(page, page.zoom * ZOOM.step);
    else if (event.key === "-") zoom(page, page.zoom / ZOOM.step);
    else if (event.key === "0") fit(page);
  });
}

// What the signs mean, of those that this graph has.
function explain(page) {
  const { layout, held, beside } = page.data;
  const controls = layout.nodes.filter((node) => node.kind === "control");
  const one = controls.some((node) => node.decides === "one");
  const entries = [
    ["ran", "ran", true],
    ["skipped", "skipped", true],
    ["decides", `decides; beside it ${one ? "the score of each choice, the highest is taken" : "what it gates"}`, controls.length],
    ["bar", "its part of the static network’s work", true],
    ["cells", "its channels, or the blocks it stands for: the fuller the colour, the more is let through", layout.nodes.some((node) => node.cells)],
    ["scale", "its gate scales what it sends by so much", layout.nodes.some((node) => node.scales)],
    ["ring", "a default value can be sent here; filled: it was", layout.edges.some((edge) => edge.ring)],
    ["oval", "image in, answers out", true],
    ["again", "the same node, where the graph goes on", layout.nodes.some((node) => node.again)],
    ["hold", "held by you, on or off", Object.keys(held).length],
    ["differs", "runs here or there, not in both", beside !== null],
  ];
  const told = entries.filter(([, , there]) => there).map(([name, text]) => element("span", {}, element("i", { class: name }), text));
  page.legend.replaceChildren(...told);
}

function draw(page) {
  const { layout } = page.data;
  const svg = shape("svg", { role: "group", "aria-label": "Graph of the network’s modules" });
  page.edges = layout.edges.map((edge) => drawEdge(edge));
  const drawn = layout.nodes.map((node) => ({ node, group: node.again ? drawAgain(node) : drawNode(page, node) }));
  page.nodes = new Map(drawn.filter(({ node }) => !node.again).map((one) => [one.node.name, one]));
  page.again = drawn.filter(({ node }) => node.again);
  page.choices = [];
  svg.append(...page.edges.map((one) => one.group), ...drawn.map((one) => one.group), ...drawChoices(page, layout));
  page.canvas.replaceChildren(svg);
}

// Fits the graph to the room there is: a small one is not blown up, a large one scrolls before its letters get too small. Where there is
// little room, on a phone or beside a view that is pinned, the whole of it comes first and its letters after that.
function frame(page) {
  const { layout } = page.data;
  const svg = page.canvas.firstElementChild;
  if (!svg) return;
  const width = Math.max(layout.width + 28, Math.min(ROOM.width, page.canvas.clientWidth));
  const height = Math.max(layout.height + 12 + HEADER, ROOM.height);
  svg.setAttribute("viewBox", `${(layout.width - width) / 2} ${(layout.height + HEADER - height) / 2} ${width} ${height}`);
  svg.style.width = `${100 * page.zoom}%`;
  const least = page.canvas.clientWidth < NARROW ? 0 : SMALLEST;
  svg.style.minWidth = `${Math.round(width * least * page.zoom)}px`;
  svg.style.minHeight = `${Math.round(height * least * page.zoom)}px`;
}

function drawEdge(edge) {
  const group = shape("g", { class: `edge ${edge.kind}` });
  group.append(shape("path", { d: edge.path }), shape("polygon", { points: edge.arrow }));
  if (edge.ring) {
    const ring = shape("circle", { cx: edge.ring.x, cy: edge.ring.y, r: edge.ring.r });
    ring.append(shape("title", {}, `if ${edge.source} did not run, ${edge.default} is sent`));
    group.append(ring);
  }
  return { edge, group };
}

function outline(node, margin) {
  const [w, h] = [node.w / 2 + margin, node.h / 2 + margin];
  if (node.kind === "control") {
    const [dx, dy] = [w + margin * 0.6, h + margin * 0.6];
    return shape("polygon", { points: `${node.x},${node.y - dy} ${node.x + dx},${node.y} ${node.x},${node.y + dy} ${node.x - dx},${node.y}` });
  }
  if (node.kind === "input" || node.kind === "output") return shape("ellipse", { cx: node.x, cy: node.y, rx: w, ry: h });
  return shape("rect", { x: node.x - w, y: node.y - h, width: 2 * w, height: 2 * h, rx: 8 + margin });
}

// A node that is drawn a second time, at the top of a column that hangs on it.
function drawAgain(node) {
  const group = shape("g", { class: `node ${node.kind} again`, "aria-hidden": "true" });
  const body = outline(node, 0);
  body.classList.add("shape");
  group.append(body, shape("text", { x: node.x, y: node.y + 4 }, `${node.text} …`));
  return group;
}

function drawNode(page, node) {
  const still = node.folded.length > 0 && !page.data.away; // nothing can open it here
  const group = shape("g", { class: `node ${node.kind}`, "data-node": node.name, ...(still ? { role: "img" } : { tabindex: 0, role: "button" }) });
  const [body, halo] = [outline(node, 0), outline(node, 4)];
  body.classList.add("shape");
  halo.classList.add("halo");
  const costly = node.kind === "regular";
  const up = node.cells ? 8 : 0;
  if (node.folded.length) group.append(...[8, 4].map((behind) => {
    const sheet = outline({ ...node, x: node.x + behind, y: node.y + behind }, 0);
    sheet.classList.add("sheet");
    return sheet;
  }));
  group.append(halo, body, shape("text", { x: node.x, y: node.y + (costly ? -2 - up : 4) - (node.scales ? 3 : 0) }, node.text));
  if (node.scales) group.append(shape("text", { class: "scale", x: node.x, y: node.y + 6 - up }));
  for (let cell = 0; cell < node.cells; cell += 1) {
    const width = (node.w - 18) / node.cells;
    const at = { x: node.x - node.w / 2 + 9 + cell * width, y: node.y + 13, width: width * 0.86, height: 9 };
    group.append(shape("rect", { ...at, class: "cell" }));
  }
  if (costly) {
    const bar = { x: node.x - node.w / 2 + 9, y: node.y + (node.scales ? 10 : 9) - up, height: 5, rx: 2.5 };
    const full = node.w - 18;
    group.append(shape("rect", { ...bar, width: full, class: "room" }));
    if (node.macs > 0) group.append(shape("rect", { ...bar, width: Math.min(Math.max(full * node.share, 2), full), class: "cost" }));
  }
  const opens = page.data.away ? ": click to open" : "";
  const holds = node.folded.length ? `, ${node.folded.length} nodes${opens}` : "";
  group.append(shape("title", {}, `${node.name}: ${node.cost} multiply-adds${holds}`));
  const flag = shape("g", { class: "flag", transform: `translate(${node.x + node.w / 2 - 4},${node.y - node.h / 2})` });
  flag.append(shape("rect", { x: -20, y: -8, width: 40, height: 16, rx: 8 }), shape("text", { y: 4 }));
  group.append(flag);
  const select = () => {
    if (still) return;
    if (node.folded.length) {
      page.send("opened", [...page.data.opened, node.folded[0]]);
      return;
    }
    page.selected = page.selected === node.name ? null : node.name;
    closer(page);
    light(page);
    look(page);
  };
  group.addEventListener("click", select);
  group.addEventListener("keydown", (event) => {
    const further = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (further) {
      const names = [...page.nodes.keys()];
      page.nodes.get(names[(names.indexOf(node.name) + further + names.length) % names.length]).group.focus();
      event.preventDefault();
    }
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    select();
  });
  return group;
}

// The options of each control node with their scores: on its control edge, or below the node where there is no room or no edge.
function drawChoices(page, layout) {
  const texts = [];
  const add = (control, options, label, x, y) => {
    const text = shape("text", { class: "small choice", x, y });
    page.choices.push({ control: control.name, columns: options.map((option) => control.options.indexOf(option)), options, label, text });
    texts.push(text);
  };
  for (const control of layout.nodes.filter((node) => node.kind === "control" && !node.again)) {
    const edges = layout.edges.filter((edge) => edge.source === control.name && edge.at);
    for (const edge of edges) add(control, edge.options, edge.label, edge.at[0], edge.at[1] + 4);
    const others = control.options.filter((option) => !edges.some((edge) => edge.options.includes(option)));
    others.slice(0, LINES).forEach((option, line) => add(control, [option], option, control.x, control.y + control.h / 2 + 17 + 13 * line));
  }
  return texts;
}

function stretchAt(data, step) {
  let index = 0;
  while (index + 1 < data.starts.length && data.starts[index + 1] <= step) index += 1;
  return data.stretches[index];
}

function head(page, stretch) {
  [page.before.textContent, page.figures.textContent, page.after.textContent] = stretch.headline;
}

// How much of its colour a cell has: none where its channels are closed, else more for a larger scale.
const shade = (level) => (level === "0" ? 0 : 0.35 + (0.65 * Number(level)) / 9);

function light(page) {
  const { data } = page;
  const step = data.every_lam ? page.step : 0;
  const stretch = stretchAt(data, step);
  const ran = new Set(page.upto === null ? stretch.ran : stretch.ran.slice(0, page.upto));
  const other = data.beside && stretchAt(data.beside, step).ran;
  const beside = other ? new Set(other) : null;
  const now = page.upto === null ? undefined : stretch.ran[page.upto - 1];
  const answering = data.layout.nodes.filter((node) => node.kind === "output" && ran.has(node.name)).map((node) => node.name);
  const last = stretch.ran.filter((name) => answering.includes(name)).at(-1);
  head(page, stretch);
  page.lam.textContent = data.every_lam ? `λ = ${(step / 100).toFixed(2)}` : data.lam === null ? "" : `λ = ${data.pinned ? data.lam.toFixed(2) : data.lam}`;
  page.slider.setAttribute("aria-valuetext", page.lam.textContent);
  page.slider.style.setProperty("--filled", `calc(9px + (100% - 18px) * ${Number(page.slider.value) / 100})`);
  for (const [name, { node, group }] of page.nodes) {
    const on = ran.has(name);
    group.classList.toggle("on", on);
    group.classList.toggle("answers", name === last);
    group.classList.toggle("selected", name === page.selected);
    group.classList.toggle("now", name === now);
    group.classList.toggle("differs", beside !== null && page.upto === null && beside.has(name) !== on);
    if (group.getAttribute("role") === "button") group.setAttribute("aria-pressed", String(name === page.selected));
    const how = data.held[name];
    group.classList.toggle("held", how !== undefined);
    group.querySelector(".flag text").textContent = how ?? "";
    const strip = stretch.cells[name] ?? "";
    const open = [...strip].filter((level) => level !== "0").length;
    const scale = node.scales && on ? stretch.scales[name] : "";
    if (node.scales) group.querySelector(".scale").textContent = scale;
    const what = node.folded.length ? "blocks ran" : "channels open";
    const channels = strip && on ? `, ${Math.round((100 * open) / strip.length)}% of its ${what}` : "";
    group.setAttribute("aria-label", `${name}, ${node.kind} node, ${on ? "ran" : "skipped"}${scale && `, scaled ${scale}`}${how ? `, held ${how}` : ""}, ${node.cost} multiply-adds${channels}`);
    group.querySelectorAll(".cell").forEach((cell, index) => cell.style.setProperty("--level", String(on ? shade(strip[index]) : 0)));
  }
  for (const { node, group } of page.again) group.classList.toggle("on", ran.has(node.name));
  for (const { edge, group } of page.edges) {
    const sends = ran.has(edge.source);
    const taken = edge.kind === "control" ? sends && edge.options.some((option) => stretch.taken[edge.source].includes(option)) : sends;
    const arrives = edge.kind === "control" || ran.has(edge.target);
    const within = edge.kind === "data" || edge.options.length === 1 || ran.has(edge.target); // gates inside a node that is skipped open nothing
    group.classList.toggle("on", taken && arrives && within);
    group.classList.toggle("sent", edge.default !== null && !taken && arrives);
  }
  for (const { control, columns, options, label, text } of page.choices) {
    const row = data.scores[control]?.[step];
    text.textContent = row && columns.length === 1 ? `${label} ${row[columns[0]].toFixed(decimals(page.nodes.get(control).node, row))}` : label;
    text.classList.toggle("on", options.some((option) => stretch.taken[control].includes(option)));
  }
  answer(page, stretch);
  page.follow();
}

// As many digits as it takes to tell the highest score from the next, where the highest is taken.
function decimals(control, row) {
  const [first, second] = control.decides === "one" ? row.toSorted((a, b) => b - a) : row.slice(0, 1);
  return second === undefined ? 2 : ([2, 3].find((count) => first.toFixed(count) !== second.toFixed(count)) ?? 4);
}

// What is known of the node that is selected. All of it is here already, so that it comes at once and follows the slider.
function closer(page) {
  const known = page.selected === null ? undefined : page.data.facts[page.selected];
  page.closer.classList.toggle("empty", !known);
  page.follow = () => {};
  page.closer.setAttribute("aria-label", known ? `The node ${page.selected}` : "No node is looked at");
  page.told.textContent = known ? `${page.selected}: ${known.kind}` : "";
  page.more.hidden = !known;
  page.brief.textContent = known
    ? `${page.selected} · ${known.kind.split(";")[0].split(":")[0]} · ${page.nodes.get(page.selected).node.cost} multiply-adds`
    : "Click a node, or go from one to the next with the arrow keys and press Enter.";
  if (!known) {
    const more = page.data.away ? ", what it made of the image" : "";
    page.closer.replaceChildren(element("p", { class: "cap" }, `Click a node of the graph to see what it is${more} and what opens it.`));
    return;
  }
  const where = element("span");
  const figures = known.figures.map(([title, value]) => element("div", {}, element("p", { class: "cap" }, title), element("b", {}, value)));
  const plots = [ratesPlot(page, known.rates), scoresPlot(page, page.selected)].filter(Boolean);
  page.closer.replaceChildren(
    element("h3", {}, element("b", {}, page.selected), ` · ${known.kind}`, where),
    element("div", { class: "figures" }, ...figures),
    element("div", { class: "told" }, element("div", {}, ...known.lines.map((line) => element("p", { class: "cap" }, line))), ...plots.map((one) => one.figure)),
  );
  page.follow = () => {
    where.textContent = page.lam.textContent && ` · at ${page.lam.textContent}`;
    for (const { at } of plots) at(page.data.every_lam ? page.step : 0);
  };
}

function ratesPlot(page, rates) {
  if (!rates.length) return null;
  const percent = (share) => `${(100 * share).toFixed(share > 0 && (share < 0.0995 || share > 0.9) && share < 1 ? 1 : 0)}%`;
  const title = "Share of validation images that it runs for";
  if (!page.data.every_lam || page.data.pinned) {
    const nearest = rates.reduce((best, one) => (Math.abs(one[0] - page.data.lam) < Math.abs(best[0] - page.data.lam) ? one : best));
    const measured = nearest[0] === null ? "" : ` at λ = ${nearest[0]}`;
    return { figure: element("figure", {}, element("figcaption", {}, title + measured), element("b", {}, percent(nearest[1]))), at() {} };
  }
  return plot(page, title, ["it runs"], rates.map(([lam, share]) => [lam, [share]]), [0, 1], percent, true, page.data.thresholds, "this image’s route changes");
}

// A control node's scores along λ; none where each gate is decided by itself.
function scoresPlot(page, name) {
  const { node } = page.nodes.get(name);
  const rows = page.data.scores[name];
  if (node.decides !== "one" || !rows || rows.length < 2 || node.options.length > STYLES) return null;
  const points = rows.map((row, step) => [step / 100, row]);
  const values = rows.filter(Boolean).flat();
  if (!values.length) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.05 * (high - low), 0.005);
  const digits = high - low < 0.1 ? 3 : 2;
  const { switches } = page.data.facts[name];
  return plot(page, "Its scores for this image", node.options, points, [low - room, high + room], (value) => value.toFixed(digits), false, switches, "it switches");
}

// Lines along λ, each with its value where the slider stands. Points are [λ, [a value per line]], or [λ, null] where there is none; those
// that were measured are dotted, and between them a value is about so much.
function plot(page, title, names, points, [low, high], written, dotted, changes, changing) {
  const { width, height, left, right, top, bottom } = PLOT;
  const x = (lam) => left + lam * (width - left - right);
  const y = (value) => height - bottom - ((value - low) / (high - low)) * (height - top - bottom);
  const svg = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}, along λ` });
  for (const value of [low, (low + high) / 2, high]) {
    svg.append(shape("line", { class: "rule", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    svg.append(shape("text", { x: left - 5, y: y(value) + 3.5, "text-anchor": "end" }, written(value)));
  }
  for (const lam of [0, 0.25, 0.5, 0.75, 1]) svg.append(shape("text", { x: x(lam), y: height - 5, "text-anchor": "middle" }, lam ? String(lam) : "λ = 0"));
  for (const lam of changes) svg.append(shape("line", { class: "change", x1: x(lam), x2: x(lam), y1: top, y2: height - bottom }));
  names.forEach((name, line) => {
    const drawn = points.map(([lam, row], index) => row && `${index && points[index - 1][1] ? "L" : "M"}${x(lam).toFixed(1)},${y(row[line]).toFixed(1)}`);
    svg.append(shape("path", { class: `line l${line}`, d: drawn.filter(Boolean).join(" ") }));
  });
  if (dotted) svg.append(...points.map(([lam, [value]]) => shape("circle", { class: "dot", cx: x(lam), cy: y(value), r: 2.6 })));
  const mark = shape("line", { class: "mark", y1: top, y2: height - bottom });
  svg.append(mark);
  const values = names.map(() => element("b"));
  const swatch = (line) => {
    const drawn = shape("svg", { viewBox: "0 0 22 4", class: "swatch", "aria-hidden": "true" });
    drawn.append(shape("path", { class: `line l${line}`, d: "M0,2 L22,2" }));
    return drawn;
  };
  const key = names.map((name, line) => element("span", {}, swatch(line), `${name} `, values[line]));
  if (changes.length) key.push(element("span", { class: "cap" }, `orange: where ${changing}`));
  const at = (step) => {
    const lam = step / 100;
    mark.setAttribute("x1", x(lam));
    mark.setAttribute("x2", x(lam));
    const row = valuesAt(points, lam);
    values.forEach((value, line) => {
      const about = dotted && !points.some(([measured]) => Math.abs(measured - lam) < 1e-6) ? "about " : "";
      value.textContent = row ? about + written(row[line]) : "was not asked";
    });
  };
  return { figure: element("figure", {}, element("figcaption", {}, title), svg, element("div", { class: "key" }, ...key)), at };
}

// The values at a λ, on the straight line between the points beside it.
function valuesAt(points, lam) {
  const next = points.findIndex(([other]) => other >= lam - 1e-9);
  if (next < 0) return points.at(-1)[1];
  const [to, after] = points[next];
  if (next === 0 || to - lam < 1e-6) return after;
  const [from, before] = points[next - 1];
  return before && after ? before.map((value, line) => value + ((after[line] - value) * (lam - from)) / (to - from)) : after;
}

function answer(page, stretch) {
  const bar = (share, name = "bar") => {
    const inner = element("i");
    inner.style.width = `${Math.min(share, 1) * 100}%`;
    return element("div", { class: name }, inner);
  };
  const row = (left, right, tag = "span") => element("div", { class: "row" }, element(tag, { title: left }, left), element("span", {}, right));
  const cap = (text, name = "cap") => element("p", { class: name }, text);
  const { static: whole } = page.data;
  page.answer.replaceChildren(
    cap("Answer"),
    element("div", { class: "label", title: stretch.label }, stretch.label),
    ...(page.data.truth === null ? [] : [element("p", { class: "truth" }, verdict(page.data.truth, stretch.label))]),
    ...stretch.probabilities.flatMap(([name, share, text]) => [row(name, text), bar(share)]),
    ...compared(page, stretch, cap, row),
    cap("Work, in multiply-adds", "cap work"),
    row("this image", stretch.macs, "b"),
    bar(stretch.bar),
    row("static network", whole.macs),
    bar(whole.bar, "bar static"),
    element("div", { class: "share" }, element("b", {}, stretch.share), " of the static network"),
    cap(page.data.away || page.data.pinned ? "Time, on this computer" : "Time, where it was measured", "cap work"),
    row("this image", stretch.time, "b"),
    row("static network", whole.time),
    element("div", { class: "share" }, stretch.sooner),
    ...(page.data.measured ? [cap(page.data.measured, "cap share")] : []),
  );
}

const verdict = (truth, label) => (truth === label ? "✓ right" : `✗ wrong: its label is “${truth}”`);

// What the run to compare with answered and cost, where there is one.
function compared(page, stretch, cap, row) {
  const { beside } = page.data;
  if (beside === null) return [];
  const other = stretchAt(beside, page.data.every_lam ? page.step : 0);
  const same = other.label === stretch.label ? "the same" : `“${other.label}”`;
  return [cap(beside.title, "cap work"), row("answer", same, "b"), row("work", other.share)];
}

// Room for the longest headline from the start, so that nothing below it moves with λ.
function settle(page) {
  if (!page.data) return;
  page.headline.style.minHeight = "0";
  let most = 0;
  for (const stretch of page.data.stretches) {
    head(page, stretch);
    most = Math.max(most, page.headline.offsetHeight);
  }
  page.headline.style.minHeight = `${most}px`;
  frame(page);
  light(page);
}

function show(page) {
  const { data, slider } = page;
  page.root.classList.toggle("paired", data.paired);
  page.root.classList.toggle("plain", !data.gated);
  page.root.classList.toggle("still", data.gated && !data.every_lam);
  page.away.hidden = !data.away;
  slider.disabled = !data.every_lam;
  slider.value = String(data.every_lam ? page.step : Math.round((data.lam ?? 0) * 100));
  page.note.textContent = data.every_lam || data.pinned
    ? ""
    : data.gated
      ? `This network was trained for λ = ${data.lam} alone. One trained for every λ lets you move it.`
      : "A network without gates: every image takes the same way, whatever λ.";
  const count = data.thresholds.length;
  const why = Object.keys(data.held).length ? "with what is held, this image" : "this image";
  page.marks.textContent = count ? "marks: where this image’s route changes" : `${why} takes one way at every λ`;
  page.ticks.replaceChildren(...data.thresholds.map((lam) => {
    const tick = element("i", { title: `λ = ${lam.toFixed(2)}` });
    tick.style.left = `calc(9px + (100% - 18px) * ${lam})`;
    return tick;
  }));
  const drawn = JSON.stringify(data.layout);
  if (drawn !== page.drawn) {
    page.drawn = drawn;
    if (page.selected !== null && !data.layout.nodes.some((node) => node.name === page.selected)) {
      page.selected = null;
      look(page);
    }
    page.names.replaceChildren(...data.layout.nodes.filter((node) => !node.again).map((node) => element("option", { value: node.name })));
    page.fold.disabled = !data.opened.length;
    page.fold.hidden = !data.layout.nodes.some((node) => node.folded.length) && !data.opened.length;
    draw(page);
  }
  explain(page);
  closer(page);
  settle(page);
}

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".gate-graph");
  const page = pages.get(root) ?? mount(root);
  pages.set(root, page);
  page.data = data;
  page.send = setStateValue;
  page.pin = (step) => setTriggerValue("pin", step);
  const first = !page.drawn;
  const path = location.pathname;
  if (first) page.selected = data.selected;
  if (data.asked !== null && data.asked !== window[ASKED]) page.step = Math.round(100 * data.asked);
  if (data.away) window[ASKED] = data.asked; // the address's λ holds once, also where the component is drawn anew
  show(page);
  inscribe(page);
  if (first && page.selected !== null && data.away) look(page); // the address named it
  return () => {
    page.watcher.disconnect();
    if (location.pathname !== path) delete window[ASKED]; // another page has come, from which an address may lead here again
  };
}
