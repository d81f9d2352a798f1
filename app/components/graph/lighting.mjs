// Lights what ran at the slider’s λ.

import { showAnswer } from "./answer.mjs";
import { intervalAt, lamAt } from "./lam.mjs";

function showHeadline(page, interval) {
  const { claim, correct, headline } = interval;
  page.claim.className = correct === null ? "claim" : `claim verdict ${correct ? "right" : "wrong"}`;
  [page.claim.textContent, page.before.textContent, page.figures.textContent, page.after.textContent] = [claim, ...headline];
}

// Strength of a cell's colour: 0 where its channels are closed, else more for a larger scale.
const shade = (level) => (level === "0" ? 0 : 0.35 + (0.65 * Number(level)) / 9);

export function light(page) {
  const { data } = page;
  const step = data.has_slider ? page.step : 0;
  const interval = intervalAt(data, step);
  const ran = new Set(page.upto === null ? interval.executed : interval.executed.slice(0, page.upto));
  const compared = data.comparison && intervalAt(data.comparison, step).executed;
  const other = compared ? new Set(compared) : null;
  const current = page.upto === null ? undefined : interval.executed[page.upto - 1];
  const answering = data.drawing.nodes.filter((node) => node.kind === "output" && ran.has(node.name)).map((node) => node.name);
  const last = interval.executed.filter((name) => answering.includes(name)).at(-1);
  showHeadline(page, interval);
  page.lam.textContent = data.has_slider ? `λ = ${lamAt(data, step).toFixed(2)}` : data.lam === null ? "" : `λ = ${data.pinned ? data.lam.toFixed(2) : data.lam}`;
  page.slider.setAttribute("aria-valuetext", page.lam.textContent);
  page.slider.style.setProperty("--filled", `calc(9px + (100% - 18px) * ${lamAt(data, Number(page.slider.value))})`);
  for (const [name, { node, group }] of page.nodes) {
    const on = ran.has(name);
    group.classList.toggle("on", on);
    group.classList.toggle("answers", name === last);
    group.classList.toggle("selected", name === page.selected);
    group.classList.toggle("current", name === current);
    group.classList.toggle("differs", other !== null && page.upto === null && other.has(name) !== on);
    if (group.getAttribute("role") === "button") group.setAttribute("aria-pressed", String(name === page.selected));
    const forced = data.forced[name];
    group.classList.toggle("forced", forced !== undefined);
    group.querySelector(".flag text").textContent = forced ?? "";
    const strip = interval.strips[name] ?? "";
    const open = [...strip].filter((level) => level !== "0").length;
    const scale = node.scales && on ? interval.scales[name] : "";
    if (node.scales) group.querySelector(".scale").textContent = scale;
    const what = node.members.length ? "blocks ran" : "channels open";
    const channels = strip && on ? `, ${Math.round((100 * open) / strip.length)}% of its ${what}` : "";
    group.setAttribute("aria-label", `${name}, ${node.kind} node, ${on ? "ran" : "skipped"}${scale && `, scaled ${scale}`}${forced ? `, forced ${forced}` : ""}, ${node.cost} multiply-adds${channels}`);
    group.querySelectorAll(".cell").forEach((cell, index) => cell.style.setProperty("--level", String(on ? shade(strip[index]) : 0)));
  }
  for (const { node, group } of page.continuations) group.classList.toggle("on", ran.has(node.name));
  for (const { edge, group } of page.edges) {
    const sends = ran.has(edge.source);
    const opened = edge.kind === "control" ? sends && edge.options.some((option) => interval.chosen[edge.source].includes(option)) : sends;
    const arrives = edge.kind === "control" || ran.has(edge.target);
    const within = edge.kind === "data" || edge.options.length === 1 || ran.has(edge.target); // gates inside a skipped node open nothing
    group.classList.toggle("on", opened && arrives && within);
    group.classList.toggle("default", edge.default !== null && !opened && arrives);
  }
  for (const { control, columns, options, label, text } of page.choices) {
    const row = data.scores[control]?.[step];
    text.textContent = row && columns.length === 1 ? `${label} ${row[columns[0]].toFixed(decimals(page.nodes.get(control).node, row))}` : label;
    text.classList.toggle("on", options.some((option) => interval.chosen[control].includes(option)));
  }
  page.curve.style.setProperty("--at", String(lamAt(data, step)));
  showAnswer(page, interval);
  page.follow();
}

// Enough digits to distinguish the highest score from the next, where the highest one is taken.
export function decimals(control, row) {
  const [first, second] = control.decides === "one" ? row.toSorted((a, b) => b - a) : row.slice(0, 1);
  return second === undefined ? 2 : ([2, 3].find((count) => first.toFixed(count) !== second.toFixed(count)) ?? 4);
}

// Reserves room for the longest headline, so that nothing below it moves with λ. `light` has to follow, which shows the one that holds.
export function reserveHeadline(page) {
  if (!page.data) return;
  page.headline.style.minHeight = "0";
  let most = 0;
  for (const interval of page.data.intervals) {
    showHeadline(page, interval);
    most = Math.max(most, page.headline.offsetHeight);
  }
  page.headline.style.minHeight = `${most}px`;
}
