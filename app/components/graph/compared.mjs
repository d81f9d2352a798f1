// The networks beside the one that is explored: each with a graph of the same size, at the slider’s λ or held at its own.

import { nothingDrawn } from "./drawing.mjs";
import { button, element } from "./dom.mjs";
import { makeDraggable } from "./frame.mjs";
import { intervalAt, lamAt, stepOf } from "./lam.mjs";

// Makes a sheet for each network that is compared, keeps those that are still there, and drops the others.
export function showCompared(page) {
  const known = new Map(page.compared.map((sheet) => [sheet.data.id, sheet]));
  page.compared = page.data.compared.map((data) => Object.assign(known.get(data.id) ?? sheetOf(page), { data }));
  page.compared.forEach((sheet) => drawTitle(page, sheet, sheet.title, sheet.data));
  page.title.hidden = !page.compared.length;
  if (page.compared.length) drawTitle(page, page, page.title, page.data);
  page.root.classList.toggle("compares", page.compared.length > 0);
  page.root.classList.toggle("compares-many", page.compared.length > 1);
  const stands = [page.stands.firstElementChild, ...page.compared.map((sheet) => sheet.stand)];
  if (stands.some((stand, index) => page.stands.children[index] !== stand) || stands.length !== page.stands.children.length) page.stands.replaceChildren(...stands);
}

function sheetOf(page) {
  const sheet = { ...nothingDrawn(), title: element("header", { class: "view" }), canvas: element("div", { class: "canvas" }) };
  sheet.stand = element("div", { class: "stand" }, sheet.title, sheet.canvas);
  makeDraggable(page, sheet.canvas);
  page.watcher.observe(sheet.canvas);
  return sheet;
}

function drawTitle(page, sheet, title, { picture, name, description }) {
  sheet.told = element("span", { class: "view-figures" });
  const { id, has_slider: hasSlider, held } = sheet.data;
  const holds = held === null ? ["Hold λ", "Keep this network at the present λ", stepOf(page, sheet)] : ["Follow λ", "Let the slider move this network too", null];
  title.replaceChildren(
    element("img", { src: picture, alt: "" }),
    element("span", { class: "view-name", title: `${name} · ${description}` }, element("b", {}, name), ` · ${description}`),
    sheet.told,
    ...(sheet !== page && page.data.live ? [
      ...(hasSlider ? [button(holds[0], holds[1], () => page.compare({ id, held: holds[2] === null ? null : stepOf(page, sheet) }))] : []),
      button("×", `Remove ${name} from the comparison`, () => page.compare({ id, remove: true })),
    ] : []),
  );
}

// Says at which λ a network is shown, what it answers and at which cost.
export function describe(page, sheet) {
  if (!page.compared.length) return;
  const step = stepOf(page, sheet);
  const { correct, label, cost_share: cost, macs } = intervalAt(sheet.data, step);
  const lam = sheet.data.has_slider ? `λ = ${lamAt(sheet.data, step).toFixed(2)} · ` : "";
  sheet.told.textContent = `${lam}${correct === null ? "" : correct ? "✓ " : "✗ "}${label} · ${cost}, ${macs} multiply-adds`;
}
