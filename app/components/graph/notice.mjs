// The line above the graph: notices, and what is selected.

import { button, element } from "./dom.mjs";

const NOTICE = 6000; // milliseconds for which a notice stays above the graph

// One line above the graph: a notice for a while, else what is selected and a button to its details, else what can be done.
export function noticeLine(page) {
  page.notice = element("span", { role: "status" });
  page.brief = element("span");
  page.more = button("Details ↓", "Go to the details of this node", () => page.details.scrollIntoView({ behavior: "smooth", block: "nearest" }));
  return element("div", { class: "brief" }, page.notice, page.brief, page.more);
}

export function notify(page, words) {
  page.notice.textContent = words;
  clearTimeout(page.silence);
  page.silence = setTimeout(() => (page.notice.textContent = ""), NOTICE);
}
