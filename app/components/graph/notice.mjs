// A notice above the graph, which stays for a while.

import { element } from "./dom.mjs";

const NOTICE = 6000; // milliseconds

export function noticeLine(page) {
  page.notice = element("div", { class: "notice", role: "status" });
  return page.notice;
}

export function notify(page, words) {
  page.notice.textContent = words;
  clearTimeout(page.silence);
  page.silence = setTimeout(() => (page.notice.textContent = ""), NOTICE);
}
