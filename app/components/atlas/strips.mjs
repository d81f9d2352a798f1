// Rows of pictures with a title each; a picture opens itself in Explore.
import { element, link } from "./link.mjs";

function strip({ title, note, colour, items }, data, open) {
  const pictures = items.map(({ index, url, title: words, mark }) => {
    const made = link(data.run, index, data.lam, open, { title: words, "aria-label": words }, element("img", { src: url, alt: "" }));
    if (mark) made.append(element("i", { class: `mark ${mark}` }, mark === "right" ? "✓" : "✗"));
    return made;
  });
  const head = element("h4", {}, title);
  if (colour) {
    const swatch = element("i", { class: "swatch" });
    swatch.style.background = colour;
    head.prepend(swatch);
  }
  return element("section", {}, head, element("p", {}, note), element("div", { class: "strip" }, ...pictures));
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".atlas-strips");
  root.replaceChildren(...data.strips.map((one) => strip(one, data, (index) => setTriggerValue("open", index))));
}
