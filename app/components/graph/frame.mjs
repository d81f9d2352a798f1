// The part of the drawing that the canvas shows: fitting, zooming and dragging. Zoom and position stay until a person changes them.

import { MARGIN, fitted } from "./layout.mjs";

export const ZOOM = { step: 1.25, least: 0.25, most: 4 };
const PHONE = 520; // a canvas narrower than this has letters of 12 pixels or more
const PHONE_LETTERS = 1.09; // 12 pixels instead of 11

// The room for a graph: a canvas's size, and the size of its letters against those of a desktop.
export function roomOf(canvas) {
  return { width: canvas.clientWidth, height: canvas.clientHeight, letters: canvas.clientWidth < PHONE ? PHONE_LETTERS : 1 };
}

// Zooms all graphs, and keeps the point in view at which it happens: the middle of the canvas, or `at` in pixels from its corner.
export function zoom(page, factor, at, canvas = page.canvas) {
  const [x, y] = at ?? [canvas.clientWidth / 2, canvas.clientHeight / 2];
  const before = page.zoom;
  page.zoom = Math.min(Math.max(factor, ZOOM.least), ZOOM.most);
  const [left, top] = [canvas.scrollLeft + x, canvas.scrollTop + y];
  for (const sheet of [page, ...page.compared]) frame(page, sheet);
  canvas.scrollTo((left * page.zoom) / before - x, (top * page.zoom) / before - y);
}

// Shows all graphs whole, however small their letters.
export function fit(page) {
  const drawn = [page, ...page.compared].filter(({ layout }) => layout);
  if (drawn.length) zoom(page, Math.min(1, ...drawn.map(wholeZoom)));
}

// The zoom at which a canvas shows the whole graph.
function wholeZoom({ canvas, layout }) {
  const { width, height } = roomOf(canvas);
  const whole = Math.min(width / (layout.width + 2 * MARGIN), height / (layout.height + 2 * MARGIN));
  return whole / fitted(layout, roomOf(canvas)).scale;
}

// Gives a drawing its size on its canvas.
export function frame(page, sheet) {
  const { canvas, layout } = sheet;
  const svg = canvas.firstElementChild;
  if (!svg || !layout) return;
  const scale = fitted(layout, roomOf(canvas)).scale * page.zoom;
  const [width, height] = [layout.width + 2 * MARGIN, layout.height + 2 * MARGIN];
  svg.setAttribute("viewBox", `${-MARGIN} ${-MARGIN} ${width} ${height}`);
  svg.style.width = `${Math.floor(width * scale)}px`;
  svg.style.height = `${Math.floor(height * scale)}px`;
}

// Dragging a canvas moves all graphs; the wheel with Ctrl, or two fingers, zooms them.
export function makeDraggable(page, canvas) {
  canvas.addEventListener("scroll", () => {
    for (const other of [page, ...page.compared]) other.canvas.scrollTo(canvas.scrollLeft, canvas.scrollTop); // it stays where it is already there
  });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    const { left, top } = canvas.getBoundingClientRect();
    zoom(page, page.zoom * Math.exp(-event.deltaY / 300), [event.clientX - left, event.clientY - top], canvas);
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse" || event.button !== 0 || event.target.closest(".node:not(.continuation)")) return;
    const [x, y, left, top] = [event.clientX, event.clientY, canvas.scrollLeft, canvas.scrollTop];
    const move = (to) => canvas.scrollTo(left + x - to.clientX, top + y - to.clientY);
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.add("dragging");
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", () => {
      canvas.removeEventListener("pointermove", move);
      canvas.classList.remove("dragging");
    }, { once: true });
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "+") zoom(page, page.zoom * ZOOM.step, undefined, canvas);
    else if (event.key === "-") zoom(page, page.zoom / ZOOM.step, undefined, canvas);
    else if (event.key === "0") fit(page);
  });
}
