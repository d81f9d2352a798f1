// Draws the view of one image and lights it for the slider's λ. Only a click on a node asks the server.
// The view is what app/graph_view/payload.py describes. Its texts come from models and people, so they are only set as textContent or
// as attributes.

const SVG = "http://www.w3.org/2000/svg";
const STEP = "gatescopeStep"; // property of the window: the slider's position, for later pages of the same visit
const START_LAM = "gatescopeStartLam"; // property of the window: the λ of the address that was last applied
const FIRST_LAM = 0.5; // where the slider stands until it is moved
const ROOM = { width: 560, height: 336 }; // a smaller graph is not enlarged further
const SMALLEST = 0.62; // below this scale the graph scrolls sideways instead of shrinking
const NARROW = 520; // a canvas narrower than this shows the whole graph, however small its letters
const NOTICE = 6000; // milliseconds for which a notice stays above the graph
const LISTED = 3; // options listed below a controller
const HEADER = 18; // height of a line of small text
const ZOOM = { step: 1.25, least: 0.25, most: 4 };
const SWEEP = 6000; // milliseconds for λ from 0 to 1
const COPIED_STYLES = ["display", "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "paint-order", "font", "text-anchor", "opacity"]; // into a saved picture
const LINE_STYLES = 4; // number of distinguishable lines in a plot
const PLOT = { width: 320, height: 120, left: 40, right: 8, top: 8, bottom: 20 };
const BEAT = 260; // milliseconds per node when an execution is played

const pages = new WeakMap(); // each mounted component's elements and state

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

const lamAt = (data, step) => step / data.last_step;

const shape = (name, attributes = {}, text) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

function mount(root) {
  const page = { root, nodes: new Map(), edges: [], choices: [], selected: null, step: window[STEP] ?? null, zoom: 1, upto: null, playing: 0, follow() {} };
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
    if (root.offsetWidth === page.width) return;
    page.width = root.offsetWidth;
    reserveHeadline(page);
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

// One line above the graph: a notice for a while, else what is selected and a button to its details, else what can be done.
function noticeLine(page) {
  page.notice = element("span", { role: "status" });
  page.brief = element("span");
  page.more = button("Details ↓", "Go to the details of this node", () => page.details.scrollIntoView({ behavior: "smooth", block: "nearest" }));
  return element("div", { class: "brief" }, page.notice, page.brief, page.more);
}

function notify(page, words) {
  page.notice.textContent = words;
  clearTimeout(page.silence);
  page.silence = setTimeout(() => (page.notice.textContent = ""), NOTICE);
}

// Buttons that copy, pin or save the view.
function actions(page) {
  page.actions = element(
    "span",
    { class: "actions" },
    button("Link", "Copy a link that reopens this view", () => copyLink(page)),
    button("Pin", "Pin this view to compare it with the next one", () => page.pin(page.step)),
    button("SVG", "Save the graph as SVG", () => save(new Blob([drawing(page)], { type: "image/svg+xml" }), "gatescope.svg")),
    button("PNG", "Save the graph as PNG", () => savePicture(page)),
  );
  return page.actions;
}

async function copyLink(page) {
  const { link, has_slider: hasSlider } = page.data;
  if (link === null) {
    notify(page, "Your own picture stays private, so no link can reopen it.");
    return;
  }
  const lam = hasSlider ? `&lam=${lamAt(page.data, page.step).toFixed(2)}` : "";
  const node = page.selected === null ? "" : `&node=${encodeURIComponent(page.selected)}`;
  const query = link + lam + node;
  const address = `${location.origin}${location.pathname}?${query}`;
  try {
    await navigator.clipboard.writeText(address);
    notify(page, page.data.side_by_side ? "Link copied. It does not include the pinned view." : "Link copied.");
  } catch {
    notify(page, address);
  }
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// The graph as it looks now, with its styles written into its elements.
function drawing(page) {
  const svg = page.canvas.firstElementChild;
  const copy = svg.cloneNode(true);
  const [from, to] = [[svg, ...svg.querySelectorAll("*")], [copy, ...copy.querySelectorAll("*")]];
  from.forEach((one, index) => {
    const style = getComputedStyle(one);
    to[index].removeAttribute("class");
    to[index].setAttribute("style", COPIED_STYLES.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
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
function moveTo(page, step) {
  page.step = step;
  page.slider.value = String(step);
  window[STEP] = step;
  light(page);
}

// Writes λ into the address once the slider has been moved, so that reloading the page shows the same.
function writeAddress(page) {
  if (!page.data.live || !page.data.has_slider || window[STEP] === undefined) return;
  const address = new URL(location.href);
  const lam = lamAt(page.data, page.step).toFixed(2);
  if (address.searchParams.get("lam") === lam) return;
  address.searchParams.set("lam", lam);
  history.replaceState(history.state, "", address);
}

// The slider has come to rest. The server needs its position only while a node is selected.
function rest(page) {
  writeAddress(page);
  if (page.selected !== null && page.data.has_slider) sendSelection(page);
}

function sendSelection(page) {
  page.send("inspected", { selected: page.selected, step: page.step });
}

function stop(page) {
  cancelAnimationFrame(page.playing);
  page.playing = 0;
  page.upto = null;
  page.sweep.textContent = "▶ Play";
  page.steps.textContent = "▷ Step through";
}

function play(page, control, from, length, at) {
  const running = control.textContent.startsWith("■");
  stop(page);
  if (running) {
    light(page);
    rest(page);
    return;
  }
  control.textContent = "■ Stop";
  const start = performance.now() - from;
  const next = (now) => {
    const share = Math.min((now - start) / length, 1);
    at(share);
    if (share < 1) page.playing = requestAnimationFrame(next);
    else {
      stop(page);
      light(page);
      rest(page);
    }
  };
  page.playing = requestAnimationFrame(next);
}

function playLam(page) {
  const last = page.data.last_step;
  const from = page.step < last ? page.step : 0;
  play(page, page.sweep, (SWEEP * from) / last, SWEEP, (share) => moveTo(page, Math.round(last * share)));
}

function playSteps(page) {
  const { executed } = intervalAt(page.data, page.data.has_slider ? page.step : 0);
  play(page, page.steps, 0, BEAT * executed.length, (share) => {
    page.upto = Math.ceil(share * executed.length);
    light(page);
  });
}

// Marks the nodes whose names contain the text in the search field and scrolls to one of them: the first, or one `further` on.
function seek(page, further = 0) {
  const wanted = page.find.value.trim().toLowerCase();
  const all = wanted ? [...page.nodes.keys()].filter((one) => one.toLowerCase().includes(wanted)) : [];
  const again = all.join() === page.found?.join();
  page.found = all;
  page.turn = again ? page.turn + further : 0;
  for (const [other, { group }] of page.nodes) group.classList.toggle("found", all.includes(other));
  if (wanted) notify(page, all.length ? `${all.length === 1 ? "1 node" : `${(page.turn % all.length) + 1} of ${all.length} nodes`}: ${all[page.turn % all.length]}` : "No node has this name.");
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

// Dragging the canvas moves the graph; the wheel with Ctrl, or two fingers, zooms.
function makeDraggable(page) {
  const { canvas } = page;
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(page, page.zoom * Math.exp(-event.deltaY / 300));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0 || event.target.closest(".node:not(.continuation)")) return;
    const [x, y, left, top] = [event.clientX, event.clientY, canvas.scrollLeft, canvas.scrollTop];
    const move = (to) => canvas.scrollTo(left + x - to.clientX, top + y - to.clientY);
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.add("dragging");
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", () => {
      canvas.removeEventListener("pointermove", move);
      canvas.classList.remove("dragging");
    }, { once: true });
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "+") zoom(page, page.zoom * ZOOM.step);
    else if (event.key === "-") zoom(page, page.zoom / ZOOM.step);
    else if (event.key === "0") fit(page);
  });
}

// Explains the marks that this graph has.
function drawLegend(page) {
  const { layout, forced, comparison } = page.data;
  const controllers = layout.nodes.filter((node) => node.kind === "control");
  const chooses = controllers.some((node) => node.decides === "one");
  const entries = [
    ["ran", "Ran", true],
    ["skipped", "Skipped", true],
    ["controller", chooses ? "Controller: takes the option with the highest expected reward" : "Controller: decides which gates open", controllers.length],
    ["bar", "Share of the static network’s computation", true],
    ["strip", "Channels, or folded blocks: the stronger the colour, the wider the gate is open", layout.nodes.some((node) => node.strip_cells)],
    ["scale", "Factor by which the gate scales the output", layout.nodes.some((node) => node.scales)],
    ["ring", "Default value in place of a skipped module; filled if it was used", layout.edges.some((edge) => edge.ring)],
    ["oval", "Input and outputs", true],
    ["continuation", "The same node, where the graph continues", layout.nodes.some((node) => node.continuation)],
    ["force", "Forced on or off by you", Object.keys(forced).length],
    ["differs", "Runs in only one of the two views compared", comparison !== null],
  ];
  const shown = entries.filter(([, , there]) => there).map(([name, text]) => element("span", {}, element("i", { class: name }), text));
  page.legend.replaceChildren(...shown);
}

function draw(page) {
  const { layout } = page.data;
  const svg = shape("svg", { role: "group", "aria-label": "Graph of the network’s modules" });
  page.edges = layout.edges.map((edge) => drawEdge(edge));
  const drawn = layout.nodes.map((node) => ({ node, group: node.continuation ? drawContinuation(node) : drawNode(page, node) }));
  page.nodes = new Map(drawn.filter(({ node }) => !node.continuation).map((one) => [one.node.name, one]));
  page.continuations = drawn.filter(({ node }) => node.continuation);
  page.choices = [];
  svg.append(...page.edges.map((one) => one.group), ...drawn.map((one) => one.group), ...drawChoices(page, layout));
  page.canvas.replaceChildren(svg);
}

// Fits the graph to its canvas: a small one is not enlarged, a large one scrolls before its letters get too small. A narrow canvas, on a
// phone or beside a pinned view, always shows the whole graph.
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
    ring.append(shape("title", {}, `If ${edge.source} is skipped, ${edge.default} is used instead.`));
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

// The second drawing of a node, at the top of the next column.
function drawContinuation(node) {
  const group = shape("g", { class: `node ${node.kind} continuation`, "aria-hidden": "true" });
  const body = outline(node, 0);
  body.classList.add("shape");
  group.append(body, shape("text", { x: node.x, y: node.y + 4 }, `${node.text} …`));
  return group;
}

function drawNode(page, node) {
  const fixed = node.members.length > 0 && !page.data.live; // only the server can expand it
  const group = shape("g", { class: `node ${node.kind}`, "data-node": node.name, ...(fixed ? { role: "img" } : { tabindex: 0, role: "button" }) });
  const [body, halo] = [outline(node, 0), outline(node, 4)];
  body.classList.add("shape");
  halo.classList.add("halo");
  const costly = node.kind === "regular";
  const up = node.strip_cells ? 8 : 0;
  if (node.members.length) group.append(...[8, 4].map((behind) => {
    const sheet = outline({ ...node, x: node.x + behind, y: node.y + behind }, 0);
    sheet.classList.add("sheet");
    return sheet;
  }));
  group.append(halo, body, shape("text", { x: node.x, y: node.y + (costly ? -2 - up : 4) - (node.scales ? 3 : 0) }, node.text));
  if (node.scales) group.append(shape("text", { class: "scale", x: node.x, y: node.y + 6 - up }));
  for (let cell = 0; cell < node.strip_cells; cell += 1) {
    const width = (node.w - 18) / node.strip_cells;
    const at = { x: node.x - node.w / 2 + 9 + cell * width, y: node.y + 13, width: width * 0.86, height: 9 };
    group.append(shape("rect", { ...at, class: "cell" }));
  }
  if (costly) {
    const bar = { x: node.x - node.w / 2 + 9, y: node.y + (node.scales ? 10 : 9) - up, height: 5, rx: 2.5 };
    const full = node.w - 18;
    group.append(shape("rect", { ...bar, width: full, class: "room" }));
    if (node.macs > 0) group.append(shape("rect", { ...bar, width: Math.min(Math.max(full * node.cost_share, 2), full), class: "cost" }));
  }
  const click = page.data.live ? "; click to expand them" : "";
  const members = node.members.length ? `, ${node.members.length} nodes${click}` : "";
  group.append(shape("title", {}, `${node.name}: ${node.cost} multiply-adds${members}`));
  const flag = shape("g", { class: "flag", transform: `translate(${node.x + node.w / 2 - 4},${node.y - node.h / 2})` });
  flag.append(shape("rect", { x: -20, y: -8, width: 40, height: 16, rx: 8 }), shape("text", { y: 4 }));
  group.append(flag);
  const select = () => {
    if (fixed) return;
    if (node.members.length) {
      page.send("expanded", [...page.data.expanded, node.members[0]]);
      return;
    }
    page.selected = page.selected === node.name ? null : node.name;
    showDetails(page);
    light(page);
    sendSelection(page);
  };
  group.addEventListener("click", select);
  group.addEventListener("keydown", (event) => {
    const direction = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (direction) {
      const names = [...page.nodes.keys()];
      page.nodes.get(names[(names.indexOf(node.name) + direction + names.length) % names.length]).group.focus();
      event.preventDefault();
    }
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    select();
  });
  return group;
}

// The options of each controller with their scores: on the control edge, or below the node where there is no room or no edge.
function drawChoices(page, layout) {
  const texts = [];
  const add = (control, options, label, x, y) => {
    const text = shape("text", { class: "small choice", x, y });
    page.choices.push({ control: control.name, columns: options.map((option) => control.options.indexOf(option)), options, label, text });
    texts.push(text);
  };
  for (const control of layout.nodes.filter((node) => node.kind === "control" && !node.continuation)) {
    const edges = layout.edges.filter((edge) => edge.source === control.name && edge.label_at);
    for (const edge of edges) add(control, edge.options, edge.label, edge.label_at[0], edge.label_at[1] + 4);
    const others = control.options.filter((option) => !edges.some((edge) => edge.options.includes(option)));
    others.slice(0, LISTED).forEach((option, line) => add(control, [option], option, control.x, control.y + control.h / 2 + 17 + 13 * line));
  }
  return texts;
}

function intervalAt(data, step) {
  let index = 0;
  while (index + 1 < data.starts.length && data.starts[index + 1] <= step) index += 1;
  return data.intervals[index];
}

function showHeadline(page, interval) {
  [page.before.textContent, page.figures.textContent, page.after.textContent] = interval.headline;
}

// Strength of a cell's colour: 0 where its channels are closed, else more for a larger scale.
const shade = (level) => (level === "0" ? 0 : 0.35 + (0.65 * Number(level)) / 9);

function light(page) {
  const { data } = page;
  const step = data.has_slider ? page.step : 0;
  const interval = intervalAt(data, step);
  const ran = new Set(page.upto === null ? interval.executed : interval.executed.slice(0, page.upto));
  const compared = data.comparison && intervalAt(data.comparison, step).executed;
  const other = compared ? new Set(compared) : null;
  const current = page.upto === null ? undefined : interval.executed[page.upto - 1];
  const answering = data.layout.nodes.filter((node) => node.kind === "output" && ran.has(node.name)).map((node) => node.name);
  const last = interval.executed.filter((name) => answering.includes(name)).at(-1);
  showHeadline(page, interval);
  page.lam.textContent = data.has_slider ? `λ = ${lamAt(data, step).toFixed(2)}` : data.lam === null ? "" : `λ = ${data.pinned ? data.lam.toFixed(2) : data.lam}`;
  page.slider.setAttribute("aria-valuetext", page.lam.textContent);
  page.slider.style.setProperty("--filled", `calc(9px + (100% - 18px) * ${lamAt(data, Number(page.slider.value))})`);
  for (const [name, { node, group }] of page.nodes) {
    const on = ran.has(name);
    group.classList.toggle("on", on);
    group.classList.toggle("answers", name === last);
    group.classList.toggle("selected", name === page.selected);
    group.classList.toggle("current", name === current);
    group.classList.toggle("differs", other !== null && page.upto === null && other.has(name) !== on);
    if (group.getAttribute("role") === "button") group.setAttribute("aria-pressed", String(name === page.selected));
    const forced = data.forced[name];
    group.classList.toggle("forced", forced !== undefined);
    group.querySelector(".flag text").textContent = forced ?? "";
    const strip = interval.strips[name] ?? "";
    const open = [...strip].filter((level) => level !== "0").length;
    const scale = node.scales && on ? interval.scales[name] : "";
    if (node.scales) group.querySelector(".scale").textContent = scale;
    const what = node.members.length ? "blocks ran" : "channels open";
    const channels = strip && on ? `, ${Math.round((100 * open) / strip.length)}% of its ${what}` : "";
    group.setAttribute("aria-label", `${name}, ${node.kind} node, ${on ? "ran" : "skipped"}${scale && `, scaled ${scale}`}${forced ? `, forced ${forced}` : ""}, ${node.cost} multiply-adds${channels}`);
    group.querySelectorAll(".cell").forEach((cell, index) => cell.style.setProperty("--level", String(on ? shade(strip[index]) : 0)));
  }
  for (const { node, group } of page.continuations) group.classList.toggle("on", ran.has(node.name));
  for (const { edge, group } of page.edges) {
    const sends = ran.has(edge.source);
    const opened = edge.kind === "control" ? sends && edge.options.some((option) => interval.chosen[edge.source].includes(option)) : sends;
    const arrives = edge.kind === "control" || ran.has(edge.target);
    const within = edge.kind === "data" || edge.options.length === 1 || ran.has(edge.target); // gates inside a skipped node open nothing
    group.classList.toggle("on", opened && arrives && within);
    group.classList.toggle("default", edge.default !== null && !opened && arrives);
  }
  for (const { control, columns, options, label, text } of page.choices) {
    const row = data.scores[control]?.[step];
    text.textContent = row && columns.length === 1 ? `${label} ${row[columns[0]].toFixed(decimals(page.nodes.get(control).node, row))}` : label;
    text.classList.toggle("on", options.some((option) => interval.chosen[control].includes(option)));
  }
  showAnswer(page, interval);
  page.follow();
}

// Enough digits to distinguish the highest score from the next, where the highest one is taken.
function decimals(control, row) {
  const [first, second] = control.decides === "one" ? row.toSorted((a, b) => b - a) : row.slice(0, 1);
  return second === undefined ? 2 : ([2, 3].find((count) => first.toFixed(count) !== second.toFixed(count)) ?? 4);
}

// Details of the selected node. The browser has all of them already, so that they appear at once and follow the slider.
function showDetails(page) {
  const known = page.selected === null ? undefined : page.data.facts[page.selected];
  page.details.classList.toggle("empty", !known);
  page.follow = () => {};
  page.details.setAttribute("aria-label", known ? `Details of ${page.selected}` : "No node is selected");
  page.announcement.textContent = known ? `${page.selected}: ${known.title}` : "";
  page.more.hidden = !known;
  page.brief.textContent = known
    ? `${page.selected} · ${known.title.split(":")[0]} · ${page.nodes.get(page.selected).node.cost} multiply-adds`
    : "Click a node for its details, or move between nodes with the arrow keys and press Enter.";
  if (!known) {
    const output = page.data.live ? ", what it computed for this image" : "";
    page.details.replaceChildren(element("p", { class: "cap" }, `Click a node of the graph to see what it is, when it runs${output} and what it costs.`));
    return;
  }
  const where = element("span");
  const figures = known.figures.map(([title, value]) => element("div", {}, element("p", { class: "cap" }, title), element("b", {}, value)));
  const plots = [ratesPlot(page, known.rates), scoresPlot(page, page.selected)].filter(Boolean);
  page.details.replaceChildren(
    element("h3", {}, element("b", {}, page.selected), ` · ${known.title}`, where),
    element("div", { class: "figures" }, ...figures),
    element("div", { class: "facts" }, element("div", {}, ...known.lines.map((line) => element("p", { class: "cap" }, line))), ...plots.map((one) => one.figure)),
  );
  page.follow = () => {
    where.textContent = page.lam.textContent && ` · at ${page.lam.textContent}`;
    for (const { at } of plots) at(page.data.has_slider ? page.step : 0);
  };
}

function ratesPlot(page, rates) {
  if (!rates.length) return null;
  const percent = (share) => `${(100 * share).toFixed(share > 0 && (share < 0.0995 || share > 0.9) && share < 1 ? 1 : 0)}%`;
  const title = "Share of the validation images for which it runs";
  if (!page.data.has_slider || page.data.pinned) {
    const nearest = rates.reduce((best, one) => (Math.abs(one[0] - page.data.lam) < Math.abs(best[0] - page.data.lam) ? one : best));
    const measured = nearest[0] === null ? "" : ` at λ = ${nearest[0]}`;
    return { figure: element("figure", {}, element("figcaption", {}, title + measured), element("b", {}, percent(nearest[1]))), at() {} };
  }
  return plot(page, title, ["Runs for"], rates.map(([lam, share]) => [lam, [share]]), [0, 1], percent, true, page.data.thresholds, "this image takes a different route");
}

// A controller's scores along λ; none where every gate opens by its own score.
function scoresPlot(page, name) {
  const { node } = page.nodes.get(name);
  const rows = page.data.scores[name];
  if (node.decides !== "one" || !rows || rows.length < 2 || node.options.length > LINE_STYLES) return null;
  const points = rows.map((row, step) => [lamAt(page.data, step), row]);
  const values = rows.filter(Boolean).flat();
  if (!values.length) return null;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max(0.05 * (high - low), 0.005);
  const digits = high - low < 0.1 ? 3 : 2;
  const { switches } = page.data.facts[name];
  return plot(page, "Scores of its options for this image", node.options, points, [low - room, high + room], (value) => value.toFixed(digits), false, switches, "its choice changes");
}

// Lines along λ, each with its value at the slider's λ. Points are [λ, [a value per line]], or [λ, null] where there is none. With `dotted`
// the points are measurements, drawn as dots, and the values between them are approximate.
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
  if (changes.length) key.push(element("span", { class: "cap" }, `Orange lines: values of λ at which ${changing}`));
  const at = (step) => {
    const lam = lamAt(page.data, step);
    mark.setAttribute("x1", x(lam));
    mark.setAttribute("x2", x(lam));
    const row = valuesAt(points, lam);
    values.forEach((value, line) => {
      const about = dotted && !points.some(([measured]) => Math.abs(measured - lam) < 1e-6) ? "about " : "";
      value.textContent = row ? about + written(row[line]) : "did not run";
    });
  };
  return { figure: element("figure", {}, element("figcaption", {}, title), svg, element("div", { class: "key" }, ...key)), at };
}

// The values at a λ, interpolated linearly between the neighbouring points.
function valuesAt(points, lam) {
  const next = points.findIndex(([other]) => other >= lam - 1e-9);
  if (next < 0) return points.at(-1)[1];
  const [to, after] = points[next];
  if (next === 0 || to - lam < 1e-6) return after;
  const [from, before] = points[next - 1];
  return before && after ? before.map((value, line) => value + ((after[line] - value) * (lam - from)) / (to - from)) : after;
}

function showAnswer(page, interval) {
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
    element("div", { class: "label", title: interval.label }, interval.label),
    ...(page.data.true_label === null ? [] : [element("p", { class: "verdict" }, verdict(page.data.true_label, interval.label))]),
    ...interval.probabilities.flatMap(([name, share, text]) => [row(name, text), bar(share)]),
    ...compared(page, interval, cap, row),
    cap("Multiply-adds", "cap cost"),
    row("This image", interval.macs, "b"),
    bar(interval.bar),
    row("Static network", whole.macs),
    bar(whole.bar, "bar static"),
    element("div", { class: "share" }, element("b", {}, interval.cost_share), " of the static network’s"),
    cap(page.data.live || page.data.pinned ? "Time on this computer" : "Time on the computer that made this page", "cap cost"),
    row("This image", interval.time, "b"),
    row("Static network", whole.time),
    element("div", { class: "share" }, interval.time_comparison),
    ...(page.data.timing_note ? [cap(page.data.timing_note, "cap share")] : []),
  );
}

const verdict = (trueLabel, label) => (trueLabel === label ? "✓ Correct" : `✗ Wrong: the label is “${trueLabel}”`);

// Answer and cost of what this view is compared with.
function compared(page, interval, cap, row) {
  const { comparison } = page.data;
  if (comparison === null) return [];
  const other = intervalAt(comparison, page.data.has_slider ? page.step : 0);
  const same = other.label === interval.label ? "the same" : `“${other.label}”`;
  return [cap(comparison.title, "cap cost"), row("Answer", same, "b"), row("Cost", other.cost_share)];
}

// Reserves room for the longest headline, so that nothing below it moves with λ.
function reserveHeadline(page) {
  if (!page.data) return;
  page.headline.style.minHeight = "0";
  let most = 0;
  for (const interval of page.data.intervals) {
    showHeadline(page, interval);
    most = Math.max(most, page.headline.offsetHeight);
  }
  page.headline.style.minHeight = `${most}px`;
  frame(page);
  light(page);
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
  const drawn = JSON.stringify(data.layout);
  if (drawn !== page.drawn) {
    page.drawn = drawn;
    if (page.selected !== null && !data.layout.nodes.some((node) => node.name === page.selected)) {
      page.selected = null;
      sendSelection(page);
    }
    page.names.replaceChildren(...data.layout.nodes.filter((node) => !node.continuation).map((node) => element("option", { value: node.name })));
    page.fold.disabled = !data.expanded.length;
    page.fold.hidden = !data.layout.nodes.some((node) => node.members.length) && !data.expanded.length;
    draw(page);
  }
  drawLegend(page);
  showDetails(page);
  reserveHeadline(page);
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
