// Elements of the page and of the drawing.

export const SVG = "http://www.w3.org/2000/svg";

export const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

export const shape = (name, attributes = {}, text) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

export function button(text, title, act) {
  const made = element("button", { type: "button", title, "aria-label": title }, text);
  made.addEventListener("click", act);
  return made;
}

export const caption = (text, name = "cap") => element("p", { class: name }, text);

// A line of a name and a value.
export const row = (left, right, tag = "span") => element("div", { class: "row" }, element(tag, { title: left }, left), element("span", {}, right));

// A bar that is full at a share of 1.
export function bar(share, name = "bar") {
  const inner = element("i");
  inner.style.width = `${100 * Math.min(Math.max(share, 0), 1)}%`;
  return element("div", { class: name }, inner);
}

// A choice of one of several: buttons beside each other, or a list where there are many. Options are pairs of value and text.
export function choice(title, options, chosen, act, { list = options.length > 4 } = {}) {
  const name = `gatescope-${title}`;
  if (list) {
    const select = element("select", { "data-focus": name, "aria-label": title }, ...options.map(([value, text]) => element("option", { value }, text)));
    select.value = chosen;
    select.addEventListener("change", () => act(select.value));
    return element("div", { class: "choice" }, caption(title), select);
  }
  const labels = options.map(([value, text]) => {
    const input = element("input", { type: "radio", name, value, "data-focus": `${name}-${value}` });
    input.checked = value === chosen;
    input.addEventListener("change", () => act(value));
    return element("label", {}, input, element("span", {}, text));
  });
  return element("div", { class: "choice", role: "radiogroup", "aria-label": title }, caption(title), element("div", { class: "segments" }, ...labels));
}
