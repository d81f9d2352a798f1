// The strip of test images: a click chooses one, arrow keys walk; the lists narrow and order them. Texts come from datasets, so they are
// only set as textContent or as attributes.

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

function list(title, options, chosen, act) {
  const select = element("select", { "aria-label": title, title }, ...options.map(([value, text]) => element("option", { value }, text)));
  select.value = chosen;
  select.addEventListener("change", () => act(select.value));
  return select;
}

function button(text, title, act) {
  const made = element("button", { type: "button", title, "aria-label": title }, text);
  made.addEventListener("click", act);
  return made;
}

function picture({ index, url, title, turns, wrong }, chosen) {
  const marks = [turns ? element("i", { class: "turns" }) : "", wrong ? element("i", { class: `wrong ${wrong}` }, "✗") : ""];
  const made = element("button", { type: "button", role: "radio", title, "aria-label": title, "aria-checked": String(index === chosen), "data-index": index });
  made.append(element("img", { src: url, alt: "" }), ...marks);
  return made;
}

// The position that an arrow key leads to among `count` pictures, or none for another key.
export function walked(key, at, count) {
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  return key in steps ? (at + steps[key] + count) % count : null;
}

function grid(root, data, choose) {
  const made = element("div", { class: "pictures", role: "radiogroup", "aria-label": "Samples" }, ...data.items.map((item) => picture(item, data.chosen)));
  const pictures = [...made.children];
  const reach = pictures.find((one) => one.getAttribute("aria-checked") === "true") ?? pictures[0];
  for (const one of pictures) {
    one.tabIndex = one === reach ? 0 : -1;
    one.addEventListener("click", () => choose(Number(one.dataset.index)));
  }
  made.addEventListener("keydown", (event) => {
    const to = walked(event.key, pictures.indexOf(event.target), pictures.length);
    if (to === null) return;
    event.preventDefault();
    pictures[to].focus();
    choose(Number(pictures[to].dataset.index));
  });
  return made;
}

function tools(data, ask) {
  const turn = (by) => ask({ page: data.page + by });
  const before = button("‹", "Earlier images", () => turn(-1));
  const after = button("›", "Further images", () => turn(1));
  [before.disabled, after.disabled] = [data.page === 0, data.page + 1 >= data.pages];
  return element(
    "div",
    { class: "tools" },
    list("Show these test images", data.shows, data.show, (show) => ask({ show, page: 0 })),
    list("Order of the test images", data.orders, data.order, (order) => ask({ order, page: 0 })),
    element("div", { class: "pages" }, before, element("span", {}, data.count), after, button("Shuffle", "Shuffle the test images", () => ask({ order: "shuffled", page: 0, again: true }))),
  );
}

// Scrolls the strip, and never the page around it, until a picture is in view.
function reveal(pictures, chosen) {
  if (!chosen) return;
  const [frame, place] = [pictures.getBoundingClientRect(), chosen.getBoundingClientRect()];
  pictures.scrollBy(
    Math.max(0, place.right - frame.right) + Math.min(0, place.left - frame.left),
    Math.max(0, place.bottom - frame.bottom) + Math.min(0, place.top - frame.top),
  );
}

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".samples");
  const active = root.getRootNode().activeElement;
  const [at, label] = [active?.dataset?.index, active?.getAttribute("aria-label")];
  const top = root.querySelector(".pictures")?.scrollTop ?? 0;
  const left = root.querySelector(".pictures")?.scrollLeft ?? 0;
  const same = root.page === `${data.show} ${data.order} ${data.page}`;
  const choose = (index) => {
    for (const one of root.querySelectorAll("[role=radio]")) one.setAttribute("aria-checked", String(Number(one.dataset.index) === index));
    setTriggerValue("choose", index);
  };
  const wanted = { show: data.show, order: data.order, page: data.page }; // sent whole, since a later wish replaces one that still waits
  const ask = ({ again = false, ...change }) => setTriggerValue("view", { ...Object.assign(wanted, change), again });
  const pictures = data.items.length ? grid(root, data, choose) : element("p", { class: "cap" }, data.growing ? "No test image of this kind has been found yet." : "No test image is of this kind.");
  root.page = `${data.show} ${data.order} ${data.page}`;
  root.replaceChildren(
    pictures,
    element("p", { class: "cap key" }, element("i", { class: "turns" }), "route changes along λ", element("i", { class: "wrong" }, "✗"), "wrong at some λ"),
    tools(data, ask),
    element("p", { class: "cap", role: "status" }, data.status),
  );
  if (same) pictures.scrollTo(left, top);
  else reveal(pictures, root.querySelector("[aria-checked=true]"));
  const again = at === undefined ? [...root.querySelectorAll("button, select")].find((one) => label && one.getAttribute("aria-label") === label) : root.querySelector(`[data-index="${at}"]`);
  again?.focus({ preventScroll: true });
}
