// The answer, its cost and its time at the slider’s λ.

import { bar, caption, element, row } from "./dom.mjs";
import { hint } from "./hint.mjs";
import { intervalAt, stepOf } from "./lam.mjs";

export function showAnswer(page, interval) {
  const { static: whole } = page.data;
  page.answer.replaceChildren(
    caption(interval.doubt ? `Answer · unsure: ${interval.doubt}` : "Answer"),
    element("div", { class: "label", title: interval.label }, interval.label),
    ...interval.probabilities.map(([name, share, text]) => element("div", { class: "probability" }, row(name, text), bar(share))),
    ...compared(page, interval),
    element("div", { class: "computation" },
      explained(row("Cost", `${interval.cost_share} of the static network’s`, "b"), hint(page, "static network")),
      bar(interval.cost),
      explained(row("Multiply-adds", whole ? `${interval.macs} of ${whole.macs}` : interval.macs), hint(page, "multiply-add"))),
    ...time(page, interval),
  );
}

// How long the image takes; nothing where a page that needs no server was made before that was measured.
function time(page, interval) {
  const { static: whole, live, timing_note: note } = page.data;
  if (!live && !interval.time) return [];
  return [element("div", { class: "time" },
    caption(live ? "Time on this computer" : "Time on the computer that made this page", "cap part"),
    ...(interval.time ? [row("This image", `${interval.time} (${interval.time_range})`, "b")] : [caption("Being measured…")]),
    ...(whole && interval.time ? [row("Static network", whole.time), element("div", { class: "share" }, interval.time_comparison)] : []),
    ...(note ? [caption(note)] : []))];
}

// A line with the “i” of a term behind its name.
function explained(line, mark) {
  line.firstChild.append(mark);
  return line;
}

// Answer and cost of what this view is compared with.
function compared(page, interval) {
  const { comparison } = page.data;
  if (comparison === null) return [];
  const other = intervalAt(comparison, stepOf(page, page));
  const same = other.label === interval.label ? "the same" : `“${other.label}”`;
  return [element("div", { class: "compared" }, caption(comparison.title, "cap part"), row("Answer", same, "b"), row("Cost", other.cost_share))];
}
