// Links, and what is seen as a file: every graph under its name, image, λ and answer, and the legend below.

import { button, element, shape } from "./dom.mjs";
import { intervalAt, lamAt, stepOf } from "./lam.mjs";
import { notify } from "./notice.mjs";

const COPIED_STYLES = ["display", "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "paint-order", "font", "text-anchor", "opacity"]; // into a saved picture
const [HEAD, APART] = [48, 20]; // pixels above a graph in a saved picture, and between graphs

// Buttons that copy, pin or save the view.
export function actions(page) {
  page.actions = element(
    "span",
    { class: "actions" },
    button("Link", "Copy a link that reopens this view", () => copyLink(page)),
    button("Pin", "Pin this view to compare it with the next one", () => page.compare({ pin: page.step })),
    button("SVG", "Save the picture as SVG", () => save(new Blob([drawing(page)], { type: "image/svg+xml" }), "gatescope.svg")),
    button("PNG", "Save the picture as PNG", () => savePicture(page)),
  );
  return page.actions;
}

async function copyLink(page) {
  const { link, has_slider: hasSlider } = page.data;
  if (link === null) {
    notify(page, "Your own picture stays private, so no link can reopen it.");
    return;
  }
  const lam = hasSlider ? `&lam=${lamAt(page.data, page.step).toFixed(2)}` : "";
  const node = page.selected === null ? "" : `&node=${encodeURIComponent(page.selected)}`;
  const query = link + lam + node;
  const address = `${location.origin}${location.pathname}?${query}`;
  try {
    await navigator.clipboard.writeText(address);
    const held = page.compared.some(({ data }) => data.held !== null);
    notify(page, held ? "Link copied. It does not include the pinned views." : "Link copied.");
  } catch {
    notify(page, address);
  }
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// What is seen, as one SVG with the styles written into its elements.
function drawing(page) {
  const style = getComputedStyle(page.root.querySelector(".card"));
  const colours = { ink: getComputedStyle(page.root).color, paper: style.backgroundColor, face: style.fontFamily };
  const views = [page, ...page.compared].filter((sheet) => sheet.canvas.firstElementChild).map((sheet) => pictured(page, sheet, colours));
  const columns = views.length > 1 ? 2 : 1;
  const [width, height] = ["width", "height"].map((side) => Math.max(...views.map((view) => view[side])) + APART);
  const whole = shape("svg", { xmlns: "http://www.w3.org/2000/svg" });
  views.forEach(({ group }, index) => {
    group.setAttribute("transform", `translate(${APART + (index % columns) * width},${APART + Math.floor(index / columns) * height})`);
    whole.append(group);
  });
  const below = APART + Math.ceil(views.length / columns) * height;
  const bottom = appendLegend(page, whole, below, columns * width, colours);
  const size = { width: columns * width + APART, height: bottom + APART };
  for (const [name, value] of Object.entries({ ...size, viewBox: `0 0 ${size.width} ${size.height}` })) whole.setAttribute(name, value);
  whole.prepend(shape("rect", { ...size, fill: colours.paper }));
  return new XMLSerializer().serializeToString(whole);
}

// One graph under the lines that say what it shows.
function pictured(page, sheet, { ink, face }) {
  const svg = sheet.canvas.firstElementChild;
  const copy = svg.cloneNode(true);
  const [from, to] = [[svg, ...svg.querySelectorAll("*")], [copy, ...copy.querySelectorAll("*")]];
  from.forEach((one, index) => {
    const style = getComputedStyle(one);
    to[index].removeAttribute("class");
    to[index].setAttribute("style", COPIED_STYLES.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
  });
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  for (const [name, value] of Object.entries({ y: HEAD, width, height })) copy.setAttribute(name, value);
  const step = stepOf(page, sheet);
  const { claim, label, cost_share: cost } = intervalAt(sheet.data, step);
  const lam = sheet.data.has_slider ? lamAt(sheet.data, step).toFixed(2) : sheet.data.lam;
  const told = [lam === null ? "" : `λ = ${lam}`, claim.replace(/\.$/, "") || label, `${cost} of the static network’s computation`].filter(Boolean).join(" · ");
  const line = (y, text, weight) => shape("text", { x: HEAD, y, fill: ink, "font-family": face, "font-size": 13, "font-weight": weight }, text);
  const group = shape("g");
  group.append(
    shape("image", { href: sheet.data.picture, width: HEAD - 12, height: HEAD - 12, style: "image-rendering:pixelated" }),
    line(15, `${sheet.data.name} · ${sheet.data.description}`, 650),
    line(34, told, 400),
    copy,
  );
  return { group, width: Math.max(width, 6.6 * Math.max(told.length, sheet.data.name.length + sheet.data.description.length) + HEAD), height: height + HEAD };
}

// Adds the legend from this height on; returns where it ends.
function appendLegend(page, whole, top, width, { ink, face }) {
  let [x, y] = [APART, top + 12];
  for (const entry of page.legend.children) {
    const [mark, text] = [getComputedStyle(entry.querySelector("i")), entry.childNodes[1].textContent];
    const needed = 44 + 6.4 * text.length;
    if (x > APART && x + needed > width) [x, y] = [APART, y + 20];
    const [w, h] = [parseFloat(mark.width) || 16, parseFloat(mark.height) || 8];
    const dashes = { dashed: "3 2", dotted: "1.5 2" }[mark.borderTopStyle] ?? "none";
    const turn = entry.querySelector(".controller") ? { transform: `rotate(45 ${x + w / 2} ${y - 4})` } : {};
    const box = { x, y: y - 4 - h / 2, width: w, height: h, rx: Math.min(parseFloat(mark.borderTopLeftRadius) || 0, h / 2) };
    whole.append(
      shape("rect", { ...box, ...turn, fill: mark.backgroundColor, stroke: mark.borderTopStyle === "none" ? "none" : mark.borderTopColor, "stroke-dasharray": dashes }),
      shape("text", { x: x + 24, y, fill: ink, "font-family": face, "font-size": 12 }, text),
    );
    x += needed;
  }
  return y + 8;
}

function savePicture(page) {
  const image = new Image();
  image.onload = () => {
    const sheet = element("canvas", { width: 2 * image.width, height: 2 * image.height });
    sheet.getContext("2d").drawImage(image, 0, 0, sheet.width, sheet.height);
    sheet.toBlob((blob) => save(blob, "gatescope.png"));
  };
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawing(page))}`;
}
