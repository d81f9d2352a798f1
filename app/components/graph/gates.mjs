// The gates of the selected node at the slider’s λ: the gate of its block, and those of all its channels as a strip and as a table.

import { caption, element } from "./dom.mjs";
import { intervalAt, scoresAt } from "./lam.mjs";

const WIDEST = 2; // the scale from which a cell has the full colour

// A gate’s value in words.
export const gateText = (value) => (value <= 0 ? "closed" : value < 0.005 ? "under ×0.01" : `×${value.toFixed(2)}`);

// The gates of a node by its controller’s scores, {block, channels}: numbers, 0 where closed; null where there are no scores or it has no such gate.
export function gatesAt({ block, first, channels }, row) {
  if (!row) return { block: null, channels: null };
  const open = (score) => Math.max(score, 0);
  return { block: block === null ? null : open(row[block]), channels: channels ? row.slice(first, first + channels).map(open) : null };
}

// How many channels, or groups of them, are open, and how widely; or would be where their node is skipped.
export function channelsText(values, what = "channels", skipped = false) {
  const open = values.filter((value) => value > 0);
  if (!open.length) return `0 of ${values.length} ${what} are open`;
  if (skipped) return `${open.length} of ${values.length} ${what} would be open, but the node is skipped`;
  const mean = open.reduce((sum, value) => sum + value, 0) / open.length;
  return `${open.length} of ${values.length} ${what} ${open.length === 1 ? "is" : "are"} open, on average ${gateText(mean)}`;
}

// What shows the gates of the selected node, or of the nodes that the selected controller opens: {elements, at(step)}.
export function gateStrips(page) {
  const { gates } = page.data;
  const chosen = Object.entries(gates).filter(([name, { control }]) => name === page.selected || control === page.selected);
  const shown = chosen.map(([name, where]) => strip(page, name, where));
  return { elements: shown.map(({ figure }) => figure), at: (step) => shown.forEach(({ at }) => at(step)) };
}

function strip(page, name, where) {
  const [one, many] = where.grouped ? ["Group", "groups of channels"] : ["Channel", "channels"];
  const title = name === page.selected ? "Gates" : `Gates of ${name}`;
  const own = element("b");
  const count = caption("");
  const pointed = caption("", "cap pointed");
  const cells = Array.from({ length: where.channels }, () => element("i"));
  const strips = element("div", { class: "cells", role: "img", "aria-label": `The gates of ${where.channels} ${many}; the table below has the values` }, ...cells);
  const values = cells.map(() => element("td"));
  const table = element("table", {}, element("thead", {}, element("tr", {}, element("th", { scope: "col" }, one), element("th", { scope: "col" }, "Gate"))),
    element("tbody", {}, ...values.map((value, index) => element("tr", {}, element("th", { scope: "row" }, String(index + 1)), value))));
  const whole = opened(page, `gates ${name}`, "All values as a table", element("div", { class: "scrolled", tabindex: 0, role: "group", "aria-label": `Gates of ${name}` }, table));
  const block = where.block === null ? [] : [element("div", { class: "row" }, element("span", {}, "The block’s own gate"), own)];
  const channels = where.channels ? [count, strips, pointed, whole] : [];
  const figure = element("figure", { class: "gates" }, element("figcaption", {}, title), ...block, ...channels);
  let now = null;
  const hint = "Point at a cell for its value. The stronger the colour, the wider the gate.";
  const point = (cell) => {
    const index = cells.indexOf(cell);
    pointed.textContent = index < 0 || !now ? hint : `${one} ${index + 1}: ${gateText(now[index])}`;
  };
  strips.addEventListener("pointermove", (event) => point(event.target));
  strips.addEventListener("pointerdown", (event) => point(event.target));
  strips.addEventListener("pointerleave", () => point(null));
  point(null);
  const at = (step) => {
    const found = gatesAt(where, scoresAt(page.data, where.control, step));
    const forced = page.data.forced[name];
    const held = forced === "off" ? "closed, forced" : forced === "on" && !(found.block > 0) ? "×1.00, forced" : null;
    own.textContent = held ?? (found.block === null ? "not decided: its controller did not run" : gateText(found.block));
    if (!where.channels) return;
    now = found.channels;
    count.textContent = now ? channelsText(now, many, !intervalAt(page.data, step).executed.includes(name)) : "Its controller did not run";
    cells.forEach((cell, index) => {
      const value = now?.[index] ?? 0;
      cell.style.setProperty("--level", String(value <= 0 ? 0 : Math.min(0.35 + (0.65 * value) / WIDEST, 1)));
      values[index].textContent = now ? gateText(value) : "–";
    });
  };
  return { figure, at };
}

// Details that stay open while the page draws them again.
export function opened(page, key, summary, ...content) {
  const made = element("details", page.unfolded.has(key) ? { open: "" } : {}, element("summary", { "data-focus": key }, summary), ...content);
  made.addEventListener("toggle", () => (made.open ? page.unfolded.add(key) : page.unfolded.delete(key)));
  return made;
}
