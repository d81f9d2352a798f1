// Lights what ran at the slider’s λ.

import { showAnswer } from "./answer.mjs";
import { describe } from "./compared.mjs";
import { element } from "./dom.mjs";
import { intervalAt, lamAt, scoresAt, stepOf } from "./lam.mjs";

function showHeadline(page, interval) {
  const { claim, correct, headline } = interval;
  page.claim.className = correct === null ? "claim" : `claim verdict ${correct ? "right" : "wrong"}`;
  [page.claim.textContent, page.before.textContent, page.figures.textContent, page.after.textContent] = [claim, ...headline];
}

// Strength of a cell's colour: 0 where its channels are closed, else more for a larger scale.
const shade = (level) => (level === "0" ? 0 : 0.35 + (0.65 * Number(level)) / 9);

export function light(page) {
  const { data } = page;
  const step = stepOf(page, page);
  const interval = intervalAt(data, step);
  const { executed } = interval;
  const ran = new Set(page.upto === null ? executed : executed.slice(0, page.upto));
  const lit = [ran, ...page.compared.map((sheet) => new Set(intervalAt(sheet.data, stepOf(page, sheet)).executed))];
  const sheets = [page, ...page.compared];
  const differs = page.upto === null ? differing([...sheets.map((sheet, index) => ({ nodes: sheet.nodes, ran: lit[index] })), ...automatic(page, step)]) : [];
  showHeadline(page, interval);
  page.lam.textContent = data.has_slider ? `λ = ${lamAt(data, step).toFixed(2)}` : data.lam === null ? "" : `λ = ${data.lam}`;
  page.slider.setAttribute("aria-valuetext", page.lam.textContent);
  page.slider.style.setProperty("--filled", `calc(9px + (100% - 18px) * ${lamAt(data, Number(page.slider.value))})`);
  sheets.forEach((sheet, index) => lightSheet(page, sheet, lit[index], differs[index] ?? new Set()));
  for (const sheet of sheets) describe(page, sheet);
  page.curve.style.setProperty("--at", String(lamAt(data, step)));
  showAnswer(page, interval);
  page.follow();
}

// What ran with nothing forced, as one more view, where that is what this one is compared with.
function automatic(page, step) {
  const { comparison } = page.data;
  return comparison && !page.compared.length ? [{ nodes: page.nodes, ran: new Set(intervalAt(comparison, step).executed) }] : [];
}

// For each view, the nodes that ran in it and not in another one of the same nodes, or the other way round. `nodes` are keyed by name.
export function differing(views) {
  const same = (one, other) => one.nodes.size === other.nodes.size && [...one.nodes.keys()].every((name) => other.nodes.has(name));
  return views.map((view) => {
    const others = views.filter((other) => other !== view && same(view, other));
    return new Set([...view.nodes.keys()].filter((name) => others.some((other) => other.ran.has(name) !== view.ran.has(name))));
  });
}

// Lights one graph.
function lightSheet(page, sheet, ran, differs) {
  const { data } = sheet;
  const step = stepOf(page, sheet);
  const interval = intervalAt(data, step);
  const current = sheet === page && page.upto !== null ? interval.executed[page.upto - 1] : undefined;
  const answering = data.drawing.nodes.filter((node) => node.kind === "output" && ran.has(node.name)).map((node) => node.name);
  const last = interval.executed.filter((name) => answering.includes(name)).at(-1);
  for (const [name, { node, group }] of sheet.nodes) {
    const on = ran.has(name);
    group.classList.toggle("on", on);
    group.classList.toggle("answers", name === last);
    group.classList.toggle("selected", name === page.selected);
    group.classList.toggle("current", name === current);
    group.classList.toggle("differs", differs.has(name));
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
  for (const { node, group } of sheet.continuations) group.classList.toggle("on", ran.has(node.name));
  for (const { edge, group } of sheet.edges) {
    const sends = ran.has(edge.source);
    const opened = edge.kind === "control" ? sends && edge.options.some((option) => interval.chosen[edge.source].includes(option)) : sends;
    const arrives = edge.kind === "control" || ran.has(edge.target);
    const within = edge.kind === "data" || edge.options.length === 1 || ran.has(edge.target); // gates inside a skipped node open nothing
    group.classList.toggle("on", opened && arrives && within);
    group.classList.toggle("default", edge.default !== null && !opened && arrives);
  }
  for (const { control, columns, options, label, text } of sheet.choices) {
    const row = scoresAt(data, control, step);
    text.textContent = row && columns.length === 1 ? `${label} ${row[columns[0]].toFixed(decimals(sheet.nodes.get(control).node, row))}` : label;
    text.classList.toggle("on", options.some((option) => interval.chosen[control].includes(option)));
  }
}

// Enough digits to distinguish the highest score from the next, where the highest one is taken.
export function decimals(control, row) {
  const [first, second] = control.decides === "one" ? row.toSorted((a, b) => b - a) : row.slice(0, 1);
  return second === undefined ? 2 : ([2, 3].find((count) => first.toFixed(count) !== second.toFixed(count)) ?? 4);
}

// Reserves room for the longest headline, so that nothing below it moves with λ. `light` has to follow, which shows the one that holds.
export function reserveHeadline(page) {
  if (!page.data) return;
  const { headline } = page;
  headline.style.minHeight = "0";
  const copies = new Map(); // by what they say; measured together, since the browser lays out the page for each measurement
  for (const interval of page.data.intervals) {
    showHeadline(page, interval);
    copies.set(headline.textContent, headline.cloneNode(true));
  }
  const aside = element("div", {}, ...copies.values());
  Object.assign(aside.style, { position: "absolute", visibility: "hidden", width: `${headline.getBoundingClientRect().width}px` });
  headline.after(aside);
  headline.style.minHeight = `${Math.max(...[...copies.values()].map((copy) => copy.offsetHeight))}px`;
  aside.remove();
}
