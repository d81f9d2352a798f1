// Draws a placed graph as SVG on a sheet: the canvas of the network that is explored, or of one that it is compared with.

import { shape } from "./dom.mjs";
import { select } from "./inspector.mjs";

export function draw(page, sheet) {
  const { layout } = sheet;
  const svg = shape("svg", { role: "group", "aria-label": "Graph of the network’s modules" });
  sheet.edges = layout.edges.map((edge) => drawEdge(edge));
  const drawn = layout.nodes.map((node) => ({ node, group: node.continuation ? drawContinuation(node) : drawNode(page, sheet, node) }));
  sheet.nodes = new Map(drawn.filter(({ node }) => !node.continuation).map((one) => [one.node.name, one]));
  sheet.continuations = drawn.filter(({ node }) => node.continuation);
  sheet.choices = [];
  svg.append(...sheet.edges.map((one) => one.group), ...drawn.map((one) => one.group), ...drawChoices(sheet, layout));
  sheet.canvas.replaceChildren(svg);
}

export const nothingDrawn = () => ({ layout: null, nodes: new Map(), edges: [], choices: [], continuations: [] });

function drawEdge(edge) {
  const group = shape("g", { class: `edge ${edge.kind}` });
  group.append(shape("path", { d: bezier(edge.points) }), shape("polygon", { points: edge.tip ? arrow(edge.points.at(-1), edge.tip) : "" }));
  if (edge.ring) {
    const ring = shape("circle", { cx: edge.ring.x, cy: edge.ring.y, r: edge.ring.r });
    ring.append(shape("title", {}, `If ${edge.source} is skipped, ${edge.default} is used instead.`));
    group.append(ring);
  }
  return { edge, group };
}

const written = (points) => points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");

const bezier = ([first, ...rest]) => `M${written([first])} C${written(rest)}`;

// A triangle from the end of a line to its tip.
function arrow([x, y], [toX, toY]) {
  const [across, down] = [-(toY - y) * 0.42, (toX - x) * 0.42];
  return written([[toX, toY], [x + across, y + down], [x - across, y - down]]);
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

function drawNode(page, sheet, node) {
  const fixed = node.members.length > 0 && !page.data.live; // only the server can expand it
  const group = shape("g", { class: `node ${node.kind}`, "data-node": node.name, ...(fixed ? { role: "img" } : { tabindex: 0, role: "button" }) });
  const [body, halo] = [outline(node, 0), outline(node, 4)];
  body.classList.add("shape");
  halo.classList.add("halo");
  const costly = node.kind === "regular";
  const up = node.strip_cells ? 8 : 0;
  if (node.members.length) group.append(...[8, 4].map((behind) => {
    const member = outline({ ...node, x: node.x + behind, y: node.y + behind }, 0);
    member.classList.add("sheet");
    return member;
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
  const act = () => {
    if (fixed) return;
    if (node.members.length) {
      page.send("expanded", [...page.data.expanded, node.members[0]]);
      return;
    }
    select(page, page.selected === node.name ? null : node.name);
  };
  group.addEventListener("click", act);
  group.addEventListener("keydown", (event) => {
    const direction = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (direction) {
      const names = [...sheet.nodes.keys()];
      sheet.nodes.get(names[(names.indexOf(node.name) + direction + names.length) % names.length]).group.focus();
      event.preventDefault();
    }
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    act();
  });
  return group;
}

// The options of each controller with their scores: on the control edge, or below the node where there is no room or no edge.
function drawChoices(sheet, layout) {
  const controls = new Map(layout.nodes.filter((node) => node.kind === "control").map((node) => [node.name, node]));
  const add = (control, options, label, x, y) => {
    const text = shape("text", { class: "small choice", x, y });
    sheet.choices.push({ control, columns: options.map((option) => controls.get(control).options.indexOf(option)), options, label, text });
    return text;
  };
  const labelled = layout.edges.filter((edge) => edge.labelAt);
  return [
    ...labelled.map((edge) => add(edge.source, edge.options, edge.label, edge.labelAt[0], edge.labelAt[1] + 4)),
    ...layout.listed.map(({ control, option, x, y }) => add(control, [option], option, x, y)),
  ];
}
