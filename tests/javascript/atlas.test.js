// The map of an atlas: colours and legend, and which point is where.
import assert from "node:assert/strict";
import { test } from "node:test";

import { address } from "../../app/components/atlas/link.mjs";
import { colourOf, costRange, figures, kindOf, legend, mixed, nameOf, nearest, OTHER } from "../../app/components/atlas/points.mjs";

const data = {
  labels: [0, 1, -1],
  answers: [[0, 0, 1], [0, 1, -1]],
  routes: [[0, 0, 2], [1, 0, 2]],
  routeNames: ["short", "long"],
  costs: [[100, 200, 300], [400, 500, 600]],
  classes: ["cat", "dog"],
  palette: ["#111111", "#222222"],
};

test("an image is right, wrong, or of no known class", () => {
  assert.deepEqual([0, 1, 2].map((index) => kindOf(data, "right", 0, index)), ["right", "wrong", "unknown"]);
  assert.equal(kindOf(data, "right", 1, 1), "right");
});

test("routes without a colour of their own are one kind", () => {
  const kind = kindOf(data, "route", 0, 2);
  assert.equal(nameOf(data, "route", kind), "other routes");
  assert.equal(colourOf(data, "route", kind), OTHER);
});

test("the legend counts every image once", () => {
  for (const colour of ["route", "class", "right", "answer"]) for (const step of [0, 1]) {
    assert.equal(legend(data, colour, step).reduce((sum, { count }) => sum + count, 0), 3);
  }
  assert.deepEqual(legend(data, "route", 0).map(({ name }) => name), ["short", "other routes"]);
  assert.deepEqual(legend(data, "answer", 1).map(({ name }) => name), ["no answer", "cat", "dog"]);
});

test("figures are those of the images whose class is known", () => {
  assert.deepEqual(figures(data, 0), { accuracy: 0.5, cost: 0.2 });
  assert.equal(figures({ ...data, labels: [-1, -1, -1] }, 0).accuracy, null);
  assert.deepEqual(costRange(data), [100, 600]);
});

test("a colour of costs lies between its neighbours", () => {
  const scale = ["#000000", "#646464", "#ffffff"];
  assert.equal(mixed(scale, 0.25), "rgb(50 50 50)");
  assert.deepEqual([mixed(scale, -1), mixed(scale, 1), mixed(scale, 0.5)], ["rgb(0 0 0)", "rgb(255 255 255)", "rgb(100 100 100)"]);
});

test("the nearest point within reach is found, with up as up", () => {
  const places = [0, 0, 10000, 10000, 5000, 5000];
  assert.equal(nearest(places, 2, 98, 100, 100, 10), 0);
  assert.equal(nearest(places, 98, 3, 100, 100, 10), 1);
  assert.equal(nearest(places, 25, 25, 100, 100, 10), -1);
});

test("an address names run, sample and λ, whatever the run is called", () => {
  assert.equal(address("a&b=c", 7, 0.5), "./?run=a%26b%3Dc&sample=7&lam=0.5");
  assert.equal(address("plain", 0, null), "./?run=plain&sample=0");
});
