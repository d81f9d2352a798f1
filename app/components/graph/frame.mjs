// The part of the drawing that the canvas shows: fitting, zooming and dragging.

const ROOM = { width: 560, height: 336 }; // a smaller graph is not enlarged further
const SMALLEST = 0.62; // below this scale the graph scrolls sideways instead of shrinking
const NARROW = 520; // a canvas narrower than this shows the whole graph, however small its letters
const HEADER = 18; // height of a line of small text
export const ZOOM = { step: 1.25, least: 0.25, most: 4 };

export function zoom(page, factor) {
  page.zoom = Math.min(Math.max(factor, ZOOM.least), ZOOM.most);
  frame(page);
}

export function fit(page) {
  page.zoom = 1;
  frame(page);
  const svg = page.canvas.firstElementChild.getBoundingClientRect();
  zoom(page, Math.min(1, page.canvas.clientHeight / svg.height, page.canvas.clientWidth / svg.width));
}

// Dragging the canvas moves the graph; the wheel with Ctrl, or two fingers, zooms.
export function makeDraggable(page) {
  const { canvas } = page;
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(page, page.zoom * Math.exp(-event.deltaY / 300));
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
    if (event.key === "+") zoom(page, page.zoom * ZOOM.step);
    else if (event.key === "-") zoom(page, page.zoom / ZOOM.step);
    else if (event.key === "0") fit(page);
  });
}

// Fits the graph to its canvas: a small one is not enlarged, a large one scrolls before its letters get too small. A narrow canvas, on a
// phone or beside a pinned view, always shows the whole graph.
export function frame(page) {
  const { layout } = page.data;
  const svg = page.canvas.firstElementChild;
  if (!svg) return;
  const width = Math.max(layout.width + 28, Math.min(ROOM.width, page.canvas.clientWidth));
  const height = Math.max(layout.height + 12 + HEADER, ROOM.height);
  svg.setAttribute("viewBox", `${(layout.width - width) / 2} ${(layout.height + HEADER - height) / 2} ${width} ${height}`);
  svg.style.width = `${100 * page.zoom}%`;
  const least = page.canvas.clientWidth < NARROW ? 0 : SMALLEST;
  svg.style.minWidth = `${Math.round(width * least * page.zoom)}px`;
  svg.style.minHeight = `${Math.round(height * least * page.zoom)}px`;
}
