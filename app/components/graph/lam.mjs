// The slider’s λ: which interval holds at a step, and what keeps and reports the position.

import { light } from "./lighting.mjs";

export const STEP = "gatescopeStep"; // property of the window: the slider's position, for later pages of the same visit
export const VISIT = "gatescopeVisit"; // property of the window: the visit whose address was last applied
export const FIRST_LAM = 0.5; // where the slider stands until it is moved

// The step at which a network is shown: the slider's, unless it is held at another.
export const stepOf = (page, sheet) => (!sheet.data.has_slider ? 0 : sheet.data.held === null ? page.step : sheet.data.held);

export const lamAt = (data, step) => step / data.last_step;

// Moves the slider's λ without asking the server.
export function moveTo(page, step) {
  page.step = step;
  page.slider.value = String(step);
  window[STEP] = step;
  light(page);
}

// Writes λ into the address once the slider has been moved, so that reloading the page shows the same.
export function writeAddress(page) {
  if (!page.data.live || !page.data.has_slider || window[STEP] === undefined) return;
  const address = new URL(location.href);
  const lam = lamAt(page.data, page.step).toFixed(2);
  if (address.searchParams.get("lam") === lam) return;
  address.searchParams.set("lam", lam);
  history.replaceState(history.state, "", address);
}

// The slider has come to rest. The server needs its position while a node is selected, and while this λ is not known.
export function rest(page) {
  writeAddress(page);
  if (page.data.has_slider && (page.selected !== null || lacks(page.data, page.step))) sendSelection(page);
}

// Whether the server has not computed the image at this step yet. Until then, the nearest step that it has is shown.
export const lacks = (data, step) => data.has_slider && data.computed !== null && !data.computed.includes(step);

export function sendSelection(page) {
  page.send("inspected", { selected: page.selected, step: page.step, option: page.option, method: page.method });
}

// The scores of a controller at a step, none where it did not run.
export const scoresAt = (data, control, step) => data.scores[control]?.[data.scored.findLastIndex((first) => first <= step)] ?? null;

export function intervalAt(data, step) {
  let index = 0;
  while (index + 1 < data.starts.length && data.starts[index + 1] <= step) index += 1;
  return data.intervals[index];
}
