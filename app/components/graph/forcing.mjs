// Forces modules, choices and routes, and says what is forced.

import { button, element } from "./dom.mjs";

export const forceNode = (page, node, state) => page.force({ node, state });
export const forceChoice = (page, control, option) => page.force({ control, option });
export const forceRoute = (page, route) => page.force({ route });

// The line that names what is forced, with a button that sets it back.
export function forcedLine(page) {
  page.forced = element("span");
  page.forcedLine = element("div", { class: "forced-line" }, page.forced, button("Reset", "Set all modules back to automatic", () => page.force({})));
  return page.forcedLine;
}

export function showForced(page) {
  const { note } = page.data.forcing;
  page.forced.textContent = note && `${note}.`;
  page.forcedLine.hidden = !note;
  page.forcedLine.lastChild.hidden = !page.data.live;
}
