// Links, and the graph as a file.

import { SVG, button, element } from "./dom.mjs";
import { lamAt } from "./lam.mjs";
import { notify } from "./notice.mjs";

const COPIED_STYLES = ["display", "fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "paint-order", "font", "text-anchor", "opacity"]; // into a saved picture

// Buttons that copy, pin or save the view.
export function actions(page) {
  page.actions = element(
    "span",
    { class: "actions" },
    button("Link", "Copy a link that reopens this view", () => copyLink(page)),
    button("Pin", "Pin this view to compare it with the next one", () => page.pin(page.step)),
    button("SVG", "Save the graph as SVG", () => save(new Blob([drawing(page)], { type: "image/svg+xml" }), "gatescope.svg")),
    button("PNG", "Save the graph as PNG", () => savePicture(page)),
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
    notify(page, page.data.side_by_side ? "Link copied. It does not include the pinned view." : "Link copied.");
  } catch {
    notify(page, address);
  }
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// The graph as it looks now, with its styles written into its elements.
function drawing(page) {
  const svg = page.canvas.firstElementChild;
  const copy = svg.cloneNode(true);
  const [from, to] = [[svg, ...svg.querySelectorAll("*")], [copy, ...copy.querySelectorAll("*")]];
  from.forEach((one, index) => {
    const style = getComputedStyle(one);
    to[index].removeAttribute("class");
    to[index].setAttribute("style", COPIED_STYLES.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
  });
  const [, , width, height] = svg.getAttribute("viewBox").split(" ");
  for (const [key, value] of Object.entries({ xmlns: SVG, width, height })) copy.setAttribute(key, value);
  copy.style.background = getComputedStyle(page.root.querySelector(".card")).backgroundColor;
  return new XMLSerializer().serializeToString(copy);
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
