// The gates of a node at a step of the slider, and how they are written.
import assert from "node:assert/strict";
import { test } from "node:test";

import { channelsText, gateText, gatesAt } from "../../app/components/graph/gates.mjs";

const row = [0.9, -0.2, 0.5, 1.4];

test("a node has the columns of its own gate and of its channels, and a gate is closed where its score is not above zero", () => {
  assert.deepEqual(gatesAt({ block: 0, first: 1, channels: 3 }, row), { block: 0.9, channels: [0, 0.5, 1.4] });
  assert.deepEqual(gatesAt({ block: null, first: 2, channels: 2 }, row), { block: null, channels: [0.5, 1.4] });
  assert.deepEqual(gatesAt({ block: 3, first: 0, channels: 0 }, row), { block: 1.4, channels: null });
});

test("where the controller did not run, nothing is decided", () => {
  assert.deepEqual(gatesAt({ block: 0, first: 1, channels: 3 }, null), { block: null, channels: null });
});

test("a gate is closed or a factor", () => {
  assert.deepEqual([0, 0.001, 0.834, 2].map(gateText), ["closed", "under ×0.01", "×0.83", "×2.00"]);
});

test("the mean is that of the open channels", () => {
  assert.equal(channelsText([0, 0.5, 1.5]), "2 of 3 channels are open, on average ×1.00");
  assert.equal(channelsText([0, 0.5]), "1 of 2 channels is open, on average ×0.50");
  assert.equal(channelsText([0, 0]), "0 of 2 channels are open");
  assert.equal(channelsText([1, 0], "groups of channels"), "1 of 2 groups of channels is open, on average ×1.00");
});

test("what is open in a node that is skipped would be open", () => {
  assert.equal(channelsText([1, 0], "groups of channels", true), "1 of 2 groups of channels would be open, but the node is skipped");
  assert.equal(channelsText([0, 0], "channels", true), "0 of 2 channels are open");
});
