// Which nodes are marked where networks stand side by side, and the λ at which each of them is shown.
import assert from "node:assert/strict";
import { test } from "node:test";

import { stepOf } from "../../app/components/graph/lam.mjs";
import { differing } from "../../app/components/graph/lighting.mjs";

const view = (names, ran) => ({ nodes: new Map(names.map((name) => [name, {}])), ran: new Set(ran) });

test("a node that runs in one view and not in another is marked in both", () => {
  const found = differing([view(["a", "b", "c"], ["a", "b"]), view(["a", "b", "c"], ["a", "c"])]);
  assert.deepEqual(found, [new Set(["b", "c"]), new Set(["b", "c"])]);
});

test("of several views, each is compared with all that have the same nodes", () => {
  const found = differing([view(["a", "b"], ["a"]), view(["a", "b"], ["a"]), view(["a", "b"], ["a", "b"]), view(["a", "x"], [])]);
  assert.deepEqual(found, [new Set(["b"]), new Set(["b"]), new Set(["b"]), new Set()]);
});

test("one view alone differs from nothing", () => assert.deepEqual(differing([view(["a"], ["a"])]), [new Set()]));

test("a network is shown at the slider’s λ, unless it is held at another or serves only one", () => {
  const page = { step: 40 };
  const shown = (held, hasSlider = true) => stepOf(page, { data: { has_slider: hasSlider, held } });
  assert.deepEqual([shown(null), shown(10), shown(0), shown(null, false)], [40, 10, 0, 0]);
});
