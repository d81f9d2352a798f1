// The lowest cost at which an image is still answered rightly, or, where its class is not known, as at λ = 1.

import { button } from "./dom.mjs";
import { lamAt, moveTo, rest } from "./lam.mjs";
import { notify } from "./notice.mjs";
import { stop } from "./playback.mjs";

// The interval of lowest cost whose answer is right, the one at the smallest λ of several, as { step, interval, judged }; none where no answer is.
export function cheapestRight(data) {
  const judged = data.intervals.some(({ correct }) => correct !== null);
  const { label: last } = data.intervals.at(-1);
  let best = null;
  for (const [index, interval] of data.intervals.entries()) {
    const good = judged ? interval.correct : interval.label === last;
    if (good && (best === null || interval.cost < best.interval.cost)) best = { step: data.starts[index], interval, judged };
  }
  return best;
}

export function cheapestButton(page) {
  page.cheapest = button("Cheapest right λ", "Move λ to the lowest cost at which the answer is still right", () => {
    const found = cheapestRight(page.data);
    if (found === null) {
      notify(page, "No λ gives the right answer for this image.");
      return;
    }
    stop(page);
    moveTo(page, found.step);
    rest(page);
    const { cost_share: most } = page.data.intervals.at(-1);
    const what = found.judged ? "is still right" : "is still the one at λ = 1";
    notify(page, `At λ = ${lamAt(page.data, found.step).toFixed(2)} the answer ${what}, for ${found.interval.cost_share} of the static network’s computation; at λ = 1 it costs ${most}.`);
  });
  return page.cheapest;
}

// Names what the button does for this image.
export function nameCheapest(page) {
  const judged = page.data.intervals.some(({ correct }) => correct !== null);
  const title = judged ? "Move λ to the lowest cost at which the answer is still right" : "Move λ to the lowest cost with the same answer as at λ = 1";
  page.cheapest.textContent = judged ? "Cheapest right λ" : "Cheapest same answer";
  page.cheapest.title = title;
  page.cheapest.setAttribute("aria-label", `${page.cheapest.textContent}. ${title}`);
}
