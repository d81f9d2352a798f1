// A picture with a frame that is dragged to move it, and by its corner to size it; the arrow keys move it, + and − size it.
// A frame is {x, y, size}: its centre as shares of the picture, and its size as a share of the largest frame. It is sent at rest.

const STEP = 0.04; // of a key
const REST = 350; // milliseconds after the last key

// The largest frame of this aspect ratio (width / height) in a picture, as shares of its width and height.
export function largest({ width, height, aspect }) {
  const scale = Math.min(width / aspect, height);
  return { across: (scale * aspect) / width, down: scale / height };
}

// A frame within the picture and its bounds of size.
export function bounded(frame, data) {
  const { across, down } = largest(data);
  const size = Math.min(Math.max(frame.size, data.smallest), 1);
  const held = (value, side) => Math.min(Math.max(value, side / 2), 1 - side / 2);
  return { x: held(frame.x, size * across), y: held(frame.y, size * down), size };
}

// The frame whose upper left corner stays while its lower right one moves by shares of the picture.
export function resized(frame, right, below, data) {
  const { across, down } = largest(data);
  const [left, top] = [frame.x - (frame.size * across) / 2, frame.y - (frame.size * down) / 2];
  const room = Math.min((1 - left) / across, (1 - top) / down, 1);
  const wanted = frame.size + Math.max(right / across, below / down, -1);
  const size = Math.min(Math.max(wanted, data.smallest), room);
  return bounded({ x: left + (size * across) / 2, y: top + (size * down) / 2, size }, data);
}

// The frame after a key, or null where the key does nothing.
export function moved(frame, key, data) {
  const by = { ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, -1, 0], ArrowDown: [0, 1, 0], "+": [0, 0, 1], "-": [0, 0, -1] }[key];
  if (!by) return null;
  return bounded({ x: frame.x + STEP * by[0], y: frame.y + STEP * by[1], size: frame.size + STEP * by[2] }, data);
}

function place(crop) {
  const { across, down } = largest(crop.data);
  const { x, y, size } = crop.now;
  Object.assign(crop.frame.style, {
    left: `${100 * (x - (size * across) / 2)}%`, top: `${100 * (y - (size * down) / 2)}%`, width: `${100 * size * across}%`, height: `${100 * size * down}%`,
  });
}

function drag(crop, event, change) {
  event.preventDefault();
  event.stopPropagation();
  crop.frame.focus();
  const { width, height } = crop.root.getBoundingClientRect();
  const [start, before] = [[event.clientX, event.clientY], crop.now];
  event.target.setPointerCapture(event.pointerId);
  event.target.onpointermove = (to) => {
    crop.now = change(before, (to.clientX - start[0]) / width, (to.clientY - start[1]) / height);
    place(crop);
  };
  event.target.onpointerup = event.target.onpointercancel = () => {
    event.target.onpointermove = event.target.onpointerup = event.target.onpointercancel = null;
    crop.send(crop.now);
  };
}

function mount(root) {
  const [image, frame, corner] = ["img", "div", "i"].map((name) => document.createElement(name));
  const crop = { root, image, frame, now: { x: 0.5, y: 0.5, size: 1 } };
  image.alt = "Your picture, uncropped";
  frame.className = "frame";
  frame.tabIndex = 0;
  frame.setAttribute("role", "group");
  frame.setAttribute("aria-label", "The part that the network sees: arrow keys move it, plus and minus size it");
  frame.append(corner);
  root.replaceChildren(image, frame);
  frame.addEventListener("pointerdown", (event) => drag(crop, event, (from, right, below) => bounded({ ...from, x: from.x + right, y: from.y + below }, crop.data)));
  corner.addEventListener("pointerdown", (event) => drag(crop, event, (from, right, below) => resized(from, right, below, crop.data)));
  frame.addEventListener("keydown", (event) => {
    const next = moved(crop.now, event.key, crop.data);
    if (!next) return;
    event.preventDefault();
    crop.now = next;
    place(crop);
    clearTimeout(crop.rest);
    crop.rest = setTimeout(() => crop.send(crop.now), REST);
  });
  return crop;
}

const mounted = new WeakMap(); // each mounted component's elements and state

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".crop");
  const crop = mounted.get(root) ?? mount(root);
  mounted.set(root, crop);
  if (crop.data?.url !== data.url && crop.data) crop.now = { x: 0.5, y: 0.5, size: 1 }; // another picture
  crop.data = data;
  crop.send = (frame) => setStateValue("frame", frame);
  crop.image.src = data.url;
  crop.now = bounded(crop.now, data);
  place(crop);
}
