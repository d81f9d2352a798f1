// One image at more and more values of λ: at the slider's, at a few, then at all, and last the values at which its route changes.

import { sameNodes } from "./trace.mjs";

const STRIDES = [20, 10, 5, 1]; // steps of the slider between those that are computed, in the order of the stages
const PARTS = 100; // of a step, to which a change of the route is located

// Calls `onKnown(known, thresholds)` whenever more is known: `known` maps steps to traces, `thresholds` are null until they are. `trace` computes
// the image at a λ; `wanted` returns the step at which the slider stands; `onProgress` gets the share that is done; once `stopped` returns
// true, nothing more is computed.
export async function sweep({ trace, lastStep, wanted, stopped, onKnown, onProgress }) {
  const known = new Map();
  const compute = async (step) => known.set(step, await trace(lastStep ? step / lastStep : null));
  await compute(wanted());
  if (stopped()) return;
  if (!lastStep) {
    onKnown(known, []);
    return;
  }
  onKnown(known, null);
  for (const stride of STRIDES) {
    for (let step = 0; step <= lastStep; step += stride) {
      if (known.has(step)) continue;
      await idle();
      if (stopped()) return;
      if (!known.has(wanted())) {
        await compute(wanted());
        onKnown(known, null);
      }
      if (!known.has(step)) await compute(step);
      onProgress(known.size / (lastStep + 1));
    }
    if (stride > 1) onKnown(known, null);
  }
  const thresholds = await changes(known, trace, lastStep, stopped);
  if (!stopped()) onKnown(known, thresholds);
}

// The values of λ at which the route changes, each located by halving within the step of the slider where it does.
async function changes(known, trace, lastStep, stopped) {
  const found = [];
  for (let step = 0; step < lastStep; step += 1) {
    if (sameNodes(known.get(step), known.get(step + 1))) continue;
    let [low, high] = [0, PARTS];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      await idle();
      if (stopped()) return found;
      const between = await trace((step + middle / PARTS) / lastStep);
      if (sameNodes(known.get(step), between)) low = middle;
      else high = middle;
    }
    found.push((step + high / PARTS) / lastStep);
  }
  return found;
}

// Lets the browser draw and answer.
const idle = () => new Promise((resolve) => setTimeout(resolve));
