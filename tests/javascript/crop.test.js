// The frame over a person’s own picture: it stays in the picture, keeps its shape, and is sized from its corner.
import assert from "node:assert/strict";
import { test } from "node:test";

import { bounded, largest, moved, resized } from "../../app/components/crop.mjs";

const wide = { width: 200, height: 100, aspect: 1, smallest: 0.1 };
const near = (one, other) => Object.keys(other).forEach((name) => assert.ok(Math.abs(one[name] - other[name]) < 1e-9, `${name}: ${one[name]} for ${other[name]}`));

test("the largest square in a picture twice as wide as high is half as wide", () => {
  near(largest(wide), { across: 0.5, down: 1 });
  near(largest({ ...wide, aspect: 4 }), { across: 1, down: 0.5 });
});

test("a frame stays in the picture", () => {
  near(bounded({ x: 0, y: 0.1, size: 1 }, wide), { x: 0.25, y: 0.5, size: 1 });
  near(bounded({ x: 0.9, y: 0.9, size: 0.4 }, wide), { x: 0.9, y: 0.8, size: 0.4 });
  near(bounded({ x: 0.5, y: 0.5, size: 0 }, wide), { x: 0.5, y: 0.5, size: 0.1 });
});

test("its corner sizes it, while the opposite corner stays", () => {
  const before = { x: 0.5, y: 0.5, size: 1 };
  const after = resized(before, -0.25, -0.5, wide);
  near(after, { x: 0.375, y: 0.25, size: 0.5 });
  near({ left: after.x - after.size * 0.25 }, { left: before.x - 0.25 });
  near(resized(after, 5, 5, wide), before);
});

test("keys move and size it, and other keys do nothing", () => {
  const half = { x: 0.5, y: 0.5, size: 0.5 };
  assert.ok(moved(half, "ArrowLeft", wide).x < 0.5);
  assert.ok(moved(half, "ArrowDown", wide).y > 0.5);
  assert.ok(moved(half, "-", wide).size < 0.5);
  assert.equal(moved(half, "Tab", wide), null);
});
