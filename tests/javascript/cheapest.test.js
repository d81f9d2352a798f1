// The cheapest λ that is still right, the walk of the arrow keys over the samples, and the places of the tour's cards.
import assert from "node:assert/strict";
import { test } from "node:test";

import { cheapestRight } from "../../app/components/graph/cheapest.mjs";
import { walked } from "../../app/components/samples/samples.mjs";
import { STEPS, cardPlace } from "../../app/components/tour/tour.mjs";

const at = (correct, cost, label = "x") => ({ correct, cost, label });

test("the lowest cost with a right answer wins, at its smallest λ", () => {
  const intervals = [at(false, 0.1), at(true, 0.4), at(true, 0.4), at(true, 0.9)];
  assert.equal(cheapestRight({ starts: [0, 20, 40, 60], intervals }).step, 20);
  assert.equal(cheapestRight({ starts: [0, 50], intervals: [at(true, 0.8), at(true, 0.3)] }).step, 50);
});

test("where no answer is right there is no such λ", () => assert.equal(cheapestRight({ starts: [0, 9], intervals: [at(false, 0.1), at(false, 1)] }), null));

test("without a class, the answer at λ = 1 is the one to keep", () => {
  const intervals = [at(null, 0.1, "cat"), at(null, 0.4, "dog"), at(null, 0.9, "dog")];
  const found = cheapestRight({ starts: [0, 30, 60], intervals });
  assert.deepEqual([found.step, found.judged], [30, false]);
});

test("arrow keys walk over the samples, and around their ends", () => {
  assert.deepEqual(["ArrowRight", "ArrowLeft", "Home", "End", "a"].map((key) => walked(key, 0, 5)), [1, 4, 0, 4, null]);
  assert.equal(walked("ArrowDown", 4, 5), 0);
});

test("a card of the tour stays within the window and off what it is about", () => {
  const card = { width: 340, height: 200 };
  for (const view of [{ width: 1440, height: 900 }, { width: 1280, height: 800 }, { width: 390, height: 844 }]) {
    for (const about of [{ left: 20, top: 110, right: 256, bottom: 360 }, { left: 270, top: 60, right: 1000, bottom: 110 }, { left: 270, top: 270, right: 1000, bottom: 790 }]) {
      const { left, top } = cardPlace(about, card, view);
      assert.ok(left >= 0 && top >= 0 && left + card.width <= view.width && top + card.height <= view.height);
      const apart = left >= about.right || left + card.width <= about.left || top >= about.bottom || top + card.height <= about.top;
      if (view.width > 1300) assert.ok(apart, JSON.stringify(about));
    }
  }
});

test("the tour has five steps that take a minute to read", () => {
  assert.equal(STEPS.length, 5);
  const words = STEPS.flatMap(({ title, text }) => `${title} ${text}`.split(" ")).length;
  assert.ok(words <= 230, `${words} words at 230 a minute`);
  assert.match(STEPS[1].text, /At 0 .* At 1 /);
});
