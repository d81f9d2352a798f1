// Reads a picture that a person drops or chooses, and shows what the network sees of it.

import { fitted } from "./resampling.mjs";

const MOST = 1e6; // pixels that are scaled exactly; of a larger picture a smaller copy is made first
const DETAIL = 512; // pixels of the shorter side of such a copy, at least

// The pixels of a file as the network takes them, Uint8Array (C, H, W). Rejects what is no picture.
export async function read(file, shape) {
  const options = { imageOrientation: "from-image", colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(file, options);
  const { width, height } = bitmap;
  const factor = width * height > MOST ? Math.max(Math.floor(Math.min(width, height) / DETAIL), 1) : 1;
  const canvas = sheet(Math.ceil(width / factor), Math.ceil(height / factor));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white"; // behind transparent areas
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return fitted(context.getImageData(0, 0, canvas.width, canvas.height), shape);
}

// The network's pixels (C, H, W) as the address of a picture.
export function shownAs(pixels, [channels, rows, columns]) {
  const canvas = sheet(columns, rows);
  const image = new ImageData(columns, rows);
  const size = rows * columns;
  for (let pixel = 0; pixel < size; pixel += 1) {
    for (let colour = 0; colour < 3; colour += 1) image.data[4 * pixel + colour] = pixels[(channels === 1 ? 0 : colour) * size + pixel];
    image.data[4 * pixel + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas.toDataURL();
}

// A small picture as a file, to try everything on once.
export function blank() {
  return new Promise((resolve) => sheet(256, 192).toBlob(resolve));
}

function sheet(width, height) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  return canvas;
}
