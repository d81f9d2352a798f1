// The answer, its cost and its time at the slider’s λ.

import { element } from "./dom.mjs";
import { intervalAt } from "./lam.mjs";

export function showAnswer(page, interval) {
  const bar = (share, name = "bar") => {
    const inner = element("i");
    inner.style.width = `${Math.min(share, 1) * 100}%`;
    return element("div", { class: name }, inner);
  };
  const row = (left, right, tag = "span") => element("div", { class: "row" }, element(tag, { title: left }, left), element("span", {}, right));
  const cap = (text, name = "cap") => element("p", { class: name }, text);
  const { static: whole } = page.data;
  page.answer.replaceChildren(
    cap("Answer"),
    element("div", { class: "label", title: interval.label }, interval.label),
    ...(page.data.true_label === null ? [] : [element("p", { class: "verdict" }, verdict(page.data.true_label, interval.label))]),
    ...interval.probabilities.flatMap(([name, share, text]) => [row(name, text), bar(share)]),
    ...compared(page, interval, cap, row),
    cap("Multiply-adds", "cap cost"),
    row("This image", interval.macs, "b"),
    bar(interval.bar),
    row("Static network", whole.macs),
    bar(whole.bar, "bar static"),
    element("div", { class: "share" }, element("b", {}, interval.cost_share), " of the static network’s"),
    cap(page.data.live || page.data.pinned ? "Time on this computer" : "Time on the computer that made this page", "cap cost"),
    row("This image", interval.time, "b"),
    row("Static network", whole.time),
    element("div", { class: "share" }, interval.time_comparison),
    ...(page.data.timing_note ? [cap(page.data.timing_note, "cap share")] : []),
  );
}

const verdict = (trueLabel, label) => (trueLabel === label ? "✓ Correct" : `✗ Wrong: the label is “${trueLabel}”`);

// Answer and cost of what this view is compared with.
function compared(page, interval, cap, row) {
  const { comparison } = page.data;
  if (comparison === null) return [];
  const other = intervalAt(comparison, page.data.has_slider ? page.step : 0);
  const same = other.label === interval.label ? "the same" : `“${other.label}”`;
  return [cap(comparison.title, "cap cost"), row("Answer", same, "b"), row("Cost", other.cost_share)];
}
