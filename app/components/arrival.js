// Brings its own place into view, once for each number: a person who was sent to a page lands at what they came for.

const HEADER = 72; // pixels of the navigation, which lies over the page
const PATIENCE = 5_000; // milliseconds in which the page may still be too short, since what stands below is being drawn
const PAUSE = 200; // milliseconds between looks
const OWN_MOVES = ["wheel", "touchstart", "pointerdown", "keydown"];
let last = 0; // the number of the last arrival
let place = null; // where it is; another element if the page is drawn anew

export default function ({ data, parentElement }) {
  place = parentElement.getRootNode().host ?? parentElement;
  place.style.scrollMarginTop = `${HEADER}px`;
  if (data.number === last) return;
  last = data.number;
  const until = performance.now() + PATIENCE;
  let moved = false; // whether the person has gone elsewhere on the page
  for (const kind of OWN_MOVES) document.addEventListener(kind, () => (moved = true), { once: true, passive: true });
  const arrive = () => {
    if (moved || performance.now() > until) return;
    if (place.isConnected && place.getBoundingClientRect().top > HEADER + 1) place.scrollIntoView({ block: "start" });
    setTimeout(arrive, PAUSE);
  };
  requestAnimationFrame(arrive);
}
