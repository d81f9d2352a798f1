// Which interval of λ holds at a step of the slider, and which values a plot says it has between its points.
import assert from "node:assert/strict";
import { test } from "node:test";

import { intervalAt, lacks, lamAt, scoresAt } from "../../app/components/graph/lam.mjs";
import { decimals } from "../../app/components/graph/lighting.mjs";
import { valuesAt } from "../../app/components/graph/plot.mjs";

test("an interval holds from its first step to the step before the next", () => {
  const data = { starts: [0, 30, 31], intervals: ["a", "b", "c"] };
  assert.deepEqual([0, 29, 30, 31, 100].map((step) => intervalAt(data, step)), ["a", "a", "b", "c", "c"]);
});

test("scores hold from the step at which their row begins, and a controller that did not run has none", () => {
  const data = { scored: [0, 11, 31], scores: { Q: [[1], null, [3]] } };
  assert.deepEqual([0, 10, 11, 30, 31, 100].map((step) => scoresAt(data, "Q", step)), [[1], [1], null, null, [3], [3]]);
  assert.equal(scoresAt(data, "another", 0), null);
});

test("a step is lacking only while the server has not computed it", () => {
  const data = { has_slider: true, computed: [0, 37, 50] };
  assert.deepEqual([0, 37, 38].map((step) => lacks(data, step)), [false, false, true]);
  assert.equal(lacks({ has_slider: true, computed: null }, 38), false);
  assert.equal(lacks({ has_slider: false, computed: null }, 38), false);
});

test("λ is the step as a share of the last step", () => assert.equal(lamAt({ last_step: 100 }, 25), 0.25));

test("values between two points are interpolated, and end with the points", () => {
  const points = [[0, [0, 2]], [0.5, [1, 4]], [1, null]];
  assert.deepEqual(valuesAt(points, 0.25), [0.5, 3]);
  assert.deepEqual(valuesAt(points, 0.5), [1, 4]);
  assert.equal(valuesAt(points, 0.75), null);
  assert.equal(valuesAt(points, 1), null);
});

test("scores have as many digits as it takes to tell the highest from the next", () => {
  const choice = { decides: "one" };
  assert.equal(decimals(choice, [0.5, 0.4]), 2);
  assert.equal(decimals(choice, [0.51, 0.49, 0.1]), 2);
  assert.equal(decimals(choice, [0.5012, 0.5034]), 3);
  assert.equal(decimals({ decides: "each" }, [0.5012, 0.5034]), 2);
});
