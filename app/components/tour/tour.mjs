// The tour: five cards over the live page, each beside what it is about. The page stays usable under it.

const SEEN = "gatescopeTour"; // key of the browser's storage
const LOOK = 300; // milliseconds between looks for the graph
const LAST_LOOK = 200; // looks after which a first visit begins without a tour
const GAP = 10; // pixels between a card and what it is about
const HEADER = 64; // height of the page's header in pixels, with some room
const PHONE = 640; // windows narrower than this show cards at their lower edge

export const STEPS = [
  {
    sight: ".st-key-picture",
    title: "A network looks at this picture",
    text: "It says what the picture shows. The small pictures are samples to choose from, test images where these are on this computer; you can also bring a picture of your own. An orange dot marks an image for which λ matters.",
  },
  {
    sight: ".gate-graph .lambda",
    title: "λ sets how much the answer may cost",
    text: "At 0 the network computes as little as it can. At 1 it computes what it takes to be as accurate as it can be. Drag the slider, or play it, and watch which parts of the network run.",
    act: { text: "Play λ", sight: ".gate-graph .lambda .head > button" },
  },
  {
    sight: ".gate-graph .stand",
    title: "Only what lights up is computed",
    text: "Filled boxes ran for this picture. Dashed ones were skipped and cost nothing. Diamonds are controllers: they look at the picture and open or close the gates of other boxes.",
  },
  {
    sight: ".gate-graph .headline",
    title: "Right or wrong, and at what cost",
    text: "This line says whether the answer is right and how much was computed, against a static network, which runs everything. The curve under λ shows cost and answer at every λ.",
    act: { text: "Go to the cheapest λ that is right", sight: ".gate-graph .lambda .head > button:last-child" },
  },
  {
    sight: ".gate-graph .node.control, .gate-graph .node.regular",
    title: "Click to ask why",
    text: "Click a controller to see its scores, and a box to force it on or off. An “i” explains a term, and “?” at the top repeats this tour.",
  },
];

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

function button(text, act, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", act);
  return made;
}

// What a step is about, on the page or in a component.
function find(sight) {
  const there = document.querySelector(sight);
  if (there) return there;
  for (const host of document.querySelectorAll("[data-testid=stBidiComponentIsolated]")) {
    const inside = host.shadowRoot?.querySelector(sight);
    if (inside) return inside;
  }
  return null;
}

// Where a card of this size stands: below what it is about, or above, beside or over its lower edge, and within the window.
export function cardPlace(about, card, view) {
  const within = (at, size, whole) => Math.max(GAP, Math.min(at, whole - size - GAP));
  if (view.width < PHONE) return { left: GAP, top: view.height - card.height - GAP };
  const left = within(about.left, card.width, view.width);
  const [beside, narrow] = [{ left: about.right + GAP, top: within(about.top, card.height, view.height) }, about.right - about.left < view.width / 4];
  if (narrow && about.right + GAP + card.width <= view.width) return beside;
  if (about.bottom + GAP + card.height <= view.height - GAP) return { left, top: about.bottom + GAP };
  if (about.top - GAP - card.height >= GAP) return { left, top: about.top - GAP - card.height };
  if (about.right + GAP + card.width <= view.width) return beside;
  if (about.left - GAP - card.width >= 0) return { left: about.left - GAP - card.width, top: beside.top };
  return { left: within(about.right - card.width - GAP, card.width, view.width), top: within(about.bottom - card.height - GAP, card.height, view.height) };
}

const remember = () => {
  try {
    localStorage.setItem(SEEN, "seen");
  } catch {
    // without storage, the tour is offered at the next visit too
  }
};

const isFirstVisit = () => {
  try {
    return localStorage.getItem(SEEN) === null;
  } catch {
    return false;
  }
};

function place(tour) {
  const about = find(STEPS[tour.step].sight);
  if (!about) return;
  const { left, top, right, bottom, width, height } = about.getBoundingClientRect();
  Object.assign(tour.ring.style, { left: `${left - 4}px`, top: `${top - 4}px`, width: `${width + 8}px`, height: `${height + 8}px` });
  const size = { width: tour.card.offsetWidth, height: tour.card.offsetHeight };
  const at = cardPlace({ left, top, right, bottom }, size, { width: window.innerWidth, height: window.innerHeight });
  Object.assign(tour.card.style, { left: `${at.left}px`, top: `${at.top}px` });
}

function show(tour, step, focuses) {
  const { title, text, act, sight } = STEPS[step];
  const last = step === STEPS.length - 1;
  tour.step = step;
  tour.card.hidden = tour.ring.hidden = false;
  tour.card.setAttribute("aria-label", `Tour, step ${step + 1} of ${STEPS.length}`);
  const next = button(last ? "Done" : "Next", () => (last ? close(tour) : show(tour, step + 1, true)), { class: "next" });
  tour.card.replaceChildren(
    element("p", { class: "count" }, `${step + 1} of ${STEPS.length}`),
    element("h2", {}, title),
    element("p", {}, text),
    ...(act ? [button(act.text, () => find(act.sight)?.click(), { class: "act" })] : []),
    element("div", { class: "row" }, ...(last ? [] : [button("Skip the tour", () => close(tour))]), element("span"), ...(step ? [button("Back", () => show(tour, step - 1, true))] : []), next),
  );
  const about = find(sight);
  if (about && window.innerWidth < PHONE) {
    about.style.scrollMarginTop = `${HEADER}px`;
    about.scrollIntoView({ block: "start" });
  }
  place(tour);
  clearInterval(tour.following);
  tour.following = setInterval(() => place(tour), LOOK); // what a step is about may move as the page loads or scrolls
  if (focuses) next.focus();
}

function close(tour) {
  const held = tour.card.contains(tour.root.getRootNode().activeElement);
  clearInterval(tour.following);
  tour.card.hidden = tour.ring.hidden = true;
  remember();
  if (held) tour.start.focus();
}

// Begins at a first visit, as soon as a graph is lit.
function begin(tour, looks) {
  if (looks > LAST_LOOK || !tour.card.hidden) return;
  if (find(".gate-graph .node.on")) show(tour, 0, false);
  else tour.waiting = setTimeout(() => begin(tour, looks + 1), LOOK);
}

export default function ({ parentElement }) {
  const root = parentElement.querySelector(".tour");
  const tour = { root, step: 0, following: 0, waiting: 0 };
  tour.start = button("?", () => show(tour, 0, true), { class: "start", title: "Take the tour: one minute, five steps", "aria-label": "Take the tour: one minute, five steps" });
  tour.ring = element("div", { class: "ring", hidden: "" });
  tour.card = element("section", { class: "tour-card", role: "dialog", hidden: "" });
  root.replaceChildren(tour.start, tour.ring, tour.card);
  const escape = (event) => {
    if (event.key !== "Escape" || tour.card.hidden) return;
    event.preventDefault(); // what else Escape closes stays open
    close(tour);
  };
  const follow = () => tour.card.hidden || place(tour);
  document.addEventListener("keydown", escape, true);
  window.addEventListener("resize", follow);
  if (isFirstVisit()) begin(tour, 0);
  return () => {
    clearInterval(tour.following);
    clearTimeout(tour.waiting);
    document.removeEventListener("keydown", escape, true);
    window.removeEventListener("resize", follow);
  };
}
