// What a graph is given: a place, labels beside its lines, columns where it is long, letters that can be read.
import assert from "node:assert/strict";
import { test } from "node:test";

import { split } from "../../app/components/graph/columns.mjs";
import { LABEL, on, placeLabels } from "../../app/components/graph/labels.mjs";
import { SMALLEST, fitted, place, read } from "../../app/components/graph/layout.mjs";
import viz from "./viz.js";

const node = (name, x, y) => ({ name, kind: "regular", options: [], x, y, w: 80, h: 40 });
const edge = (source, target, points) => ({ source, target, kind: "data", default: null, points, tip: points.at(-1), ring: null });

// A chain of nodes, one below the other.
function chain(length) {
  const nodes = Array.from({ length }, (_, index) => node(`n${index}`, 50, 30 + 80 * index));
  const edges = nodes.slice(1).map(({ y, name }, index) => edge(`n${index}`, name, [[50, y - 60], [50, y - 50], [50, y - 30], [50, y - 20]]));
  return { style: "TB", width: 100, height: 80 * length - 20, nodes, edges };
}

test("a chain in three columns is a third as high, and every edge still leads from its source to its target", () => {
  const whole = chain(12);
  const parts = split(whole, 3);
  assert.ok(parts.height < whole.height / 2);
  assert.equal(parts.nodes.filter((one) => one.continuation).length, 2);
  for (const { source, target, points } of parts.edges) {
    const near = ([x, y], name) => parts.nodes.some((one) => one.name === name && Math.abs(x - one.x) <= 40 && Math.abs(y - one.y) <= 21);
    assert.ok(near(points[0], source), `${source} → ${target}`);
    assert.ok(near(points.at(-1), target), `${source} → ${target}`);
  }
});

test("a graph that everything does not pass through stays in one column", () => {
  const nodes = ["a", "b"].flatMap((side, column) => [0, 1, 2, 3].map((row) => node(`${side}${row}`, 50 + 100 * column, 30 + 80 * row)));
  const edges = ["a", "b"].flatMap((side) => [0, 1, 2].map((row) => edge(`${side}${row}`, `${side}${row + 1}`, [[0, 0], [0, 1], [0, 2], [0, 3]])));
  const whole = { style: "TB", width: 200, height: 300, nodes, edges };
  assert.equal(split(whole, 2), whole);
});

test("a layout is never drawn with letters that are too small, and a phone has larger ones", () => {
  const large = { width: 3000, height: 400 };
  assert.equal(fitted(large, { width: 600, height: 400, letters: 1 }).scale, SMALLEST);
  assert.ok(fitted(large, { width: 360, height: 400, letters: 1.1 }).scale > 1);
  assert.ok(fitted(large, { width: 600, height: 400, letters: 1 }).seen < 0.25);
  assert.equal(fitted({ width: 100, height: 100 }, { width: 600, height: 400, letters: 1 }).seen, 1);
});

test("on a phone a graph that is scrolled down is better than one that is scrolled sideways", () => {
  const [wide, high] = [{ width: 700, height: 250 }, { width: 300, height: 1000 }];
  const phone = { width: 360, height: 480, letters: 1.09 };
  assert.ok(fitted(high, phone).seen > fitted(wide, phone).seen);
});

test("a label stands on its line, over no node and no other label", () => {
  const control = (target, y) => ({ ...edge("Q", target, [[100, 0], [100, y / 3], [100, y / 1.5], [100, y]]), kind: "control", label: "low", options: ["low"] });
  const layout = { width: 200, height: 240, nodes: [node("Q", 100, -20), node("a", 100, 220)], edges: [control("a", 200), control("b", 200)] };
  placeLabels(layout);
  const [one, other] = layout.edges.map(({ labelAt }) => labelAt);
  assert.ok(one[1] > 0 && one[1] < 200);
  assert.ok(Math.abs(one[1] - other[1]) >= LABEL);
});

test("options that have no line of their own are listed where they cover no node and no label", () => {
  const go = { ...edge("Q", "big", [[200, 40], [200, 44], [200, 50], [200, 54]]), kind: "control", label: "go on", options: ["go on"] };
  const control = { ...node("Q", 200, 20), kind: "control", options: ["stop", "go on"] };
  const layout = { width: 400, height: 120, nodes: [control, node("big", 200, 75)], edges: [go] };
  placeLabels(layout);
  assert.equal(go.labelAt, null);
  assert.deepEqual(layout.listed.map(({ option }) => option), ["stop", "go on"]);
  for (const { x, y } of layout.listed) assert.ok(Math.abs(x - 200) > 40 || y < 0 || y > 100, `${x}, ${y}`);
  assert.ok(Math.abs(layout.listed[0].y - layout.listed[1].y) >= 13);
});

test("an option without a line leaves the label of another its place", () => {
  const go = { ...edge("Q", "big", [[200, 40], [200, 80], [200, 160], [200, 200]]), kind: "control", label: "go on", options: ["go on"] };
  const control = { ...node("Q", 200, 20), kind: "control", options: ["stop", "go on"] };
  const layout = { width: 400, height: 240, nodes: [control, node("big", 200, 220)], edges: [go] };
  placeLabels(layout);
  const [{ x, y, option }] = layout.listed;
  assert.equal(option, "stop");
  assert.ok(Math.abs(x - go.labelAt[0]) > 40 || Math.abs(y - go.labelAt[1]) >= 13);
});

test("a point on a line of two curves", () => {
  const points = [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1], [3, 2], [3, 3]];
  assert.deepEqual([on(points, 0), on(points, 0.5), on(points, 1)], [[0, 0], [3, 0], [3, 3]]);
});

const SOURCE = 'digraph { node [fixedsize=true width=1 height=0.5] n0 -> n1 [dir=both arrowtail=odot]; n0 -> n2 }';
const drawing = {
  nodes: ["x", "a", "b"].map((name) => ({ name, kind: "regular", options: [], w: 72, h: 36 })),
  edges: ["a", "b"].map((target) => ({ source: "x", target, kind: "data", default: target === "a" ? 0 : null })),
  sources: { TB: SOURCE, LR: SOURCE.replace("digraph {", "digraph { rankdir=LR") },
};

test("Graphviz places the nodes, and what it wrote is read", async () => {
  const engine = await viz();
  const layout = read(drawing, "TB", JSON.parse(engine.renderString(SOURCE, { format: "json", engine: "dot" })));
  const [x, a, b] = layout.nodes;
  assert.deepEqual([x.name, a.name, b.name], ["x", "a", "b"]);
  assert.ok(x.y < a.y && a.y === b.y && a.x !== b.x);
  assert.ok(layout.edges.find(({ target }) => target === "a").ring.r > 1);
  assert.equal(layout.edges.find(({ target }) => target === "b").ring, null);
});

test("a wide canvas and a high one get different layouts, and the same canvas the same object", async () => {
  const engine = await viz();
  const wide = place(drawing, engine, { width: 500, height: 100, letters: 1 });
  assert.equal(wide.style, "LR");
  assert.equal(place(drawing, engine, { width: 200, height: 500, letters: 1 }).style, "TB");
  assert.equal(place(JSON.parse(JSON.stringify(drawing)), engine, { width: 500, height: 100, letters: 1 }), wide);
});
