// Brings its own place into view, once for each number: a person who was sent to a page lands at what they came for.

const HEADER = 72; // pixels of the navigation, which lies over the page
let last = 0; // the number of the last arrival

export default function ({ data, parentElement }) {
  if (data.number === last) return;
  last = data.number;
  const place = parentElement.getRootNode().host ?? parentElement;
  place.style.scrollMarginTop = `${HEADER}px`;
  requestAnimationFrame(() => place.scrollIntoView({ block: "start" }));
}
