// A canvas for drawing a digit, white on black, and pasting from the clipboard. A drawing is sent when a stroke ends.

const SIDE = 280; // pixels of the canvas
const WIDTH = 20; // of a stroke
const LONGEST = 1024; // side of a pasted picture, in pixels

const element = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
};

const clear = (canvas) => {
  const ink = canvas.getContext("2d");
  ink.fillStyle = "#000";
  ink.fillRect(0, 0, SIDE, SIDE);
};

function drawable(send) {
  const canvas = element("canvas", { width: SIDE, height: SIDE, "aria-label": "Draw a digit here", tabindex: 0 });
  const ink = canvas.getContext("2d");
  clear(canvas);
  Object.assign(ink, { strokeStyle: "#fff", lineWidth: WIDTH, lineCap: "round", lineJoin: "round" });
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    ink.beginPath();
    ink.moveTo(...place(event));
    ink.lineTo(...place(event));
    ink.stroke();
    canvas.onpointermove = (moved) => {
      ink.lineTo(...place(moved));
      ink.stroke();
    };
  });
  canvas.addEventListener("pointerup", () => {
    canvas.onpointermove = null;
    send(canvas.toDataURL("image/png"));
  });
  return canvas;
}

async function pasted(event, send) {
  const item = [...(event.clipboardData?.items ?? [])].find((one) => one.type.startsWith("image/"));
  if (!item) return;
  event.preventDefault();
  const picture = await createImageBitmap(item.getAsFile());
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
  const sheet = element("canvas", { width: Math.round(picture.width * scale), height: Math.round(picture.height * scale) });
  sheet.getContext("2d").drawImage(picture, 0, 0, sheet.width, sheet.height);
  send(sheet.toDataURL("image/png"));
}

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".sketch");
  root.send = (picture) => setStateValue("picture", picture);
  const paste = (event) => pasted(event, root.send);
  document.addEventListener("paste", paste);
  if (!root.firstChild) {
    if (data.draws) {
      const canvas = drawable((picture) => root.send(picture));
      const wipe = element("button", { type: "button" }, "Clear");
      wipe.addEventListener("click", () => {
        clear(canvas);
        root.send(null);
      });
      root.append(canvas, element("div", { class: "row" }, wipe, element("span", {}, "or paste a picture (Ctrl+V)")));
    } else {
      root.append(element("div", { class: "paste", tabindex: 0, role: "note" }, "Copy a picture and paste it on this page (Ctrl+V)."));
    }
  }
  return () => document.removeEventListener("paste", paste);
}
