// Scales a picture as Pillow does, to the same pixels: the largest centred part with the aspect ratio of the network's images, by Lanczos.
// Source: https://github.com/python-pillow/Pillow (ImageOps.fit; Resample.c, whose filters are rounded to 22 bits).

const SUPPORT = 3; // of the Lanczos filter
const ONE = 2 ** 22; // a weight of 1

// The pixels of a picture {width, height, data} (RGBA) as the network takes them: Uint8Array (C, H, W), C being 1 (grey) or 3 (RGB).
export function fitted({ width, height, data }, [channels, rows, columns]) {
  const planes = channels === 1 ? [grey(data)] : [0, 1, 2].map((colour) => plane(data, colour));
  const [left, top, wide, high] = centred(width, height, columns / rows);
  const across = filters(width, left, left + wide, columns);
  const down = filters(height, top, top + high, rows);
  const size = rows * columns;
  const found = new Uint8Array(channels * size);
  const downFirst = height > rows && height - rows > 2 * (width - columns); // found by trying Pillow 13: the order changes the rounding
  planes.forEach((values, channel) => {
    const one = downFirst ? scaledDown(values, width, down) : scaledAcross(values, width, height, across);
    found.set(downFirst ? scaledAcross(one, width, rows, across) : scaledDown(one, columns, down), channel * size);
  });
  return found;
}

const plane = (data, colour) => Uint8Array.from({ length: data.length / 4 }, (_, pixel) => data[4 * pixel + colour]);

const grey = (data) => Uint8Array.from({ length: data.length / 4 }, (_, pixel) => (data[4 * pixel] * 19595 + data[4 * pixel + 1] * 38470 + data[4 * pixel + 2] * 7471 + 0x8000) >> 16);

// The largest centred part with an aspect ratio: left, top, width and height, in pixels.
function centred(width, height, ratio) {
  const own = width / height;
  const [wide, high] = own === ratio ? [width, height] : own > ratio ? [ratio * height, height] : [width, width / ratio];
  return [(width - wide) * 0.5, (height - high) * 0.5, wide, high];
}

// For each output pixel, the first input pixel that it reads and the weights of those that follow; none where nothing is scaled.
function filters(size, from, to, count) {
  const [begin, end] = [Math.fround(from), Math.fround(to)];
  if (count === size && begin === 0 && end === size) return null;
  const step = Math.fround(end - begin) / count;
  const stretch = Math.max(step, 1);
  const reach = SUPPORT * stretch;
  return Array.from({ length: count }, (_, place) => {
    const centre = begin + (place + 0.5) * step;
    const first = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const last = Math.min(Math.trunc(centre + reach + 0.5), size);
    const weights = Array.from({ length: last - first }, (__, index) => lanczos((index + first - centre + 0.5) / stretch));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => Math.trunc((weight / sum) * ONE + (weight < 0 ? -0.5 : 0.5))) };
  });
}

const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

const lanczos = (x) => (x >= -SUPPORT && x < SUPPORT ? sinc(x) * sinc(x / SUPPORT) : 0);

const rounded = (sum) => Math.min(Math.max(Math.floor((sum + ONE / 2) / ONE), 0), 255);

function scaledAcross(values, width, height, across) {
  if (!across) return values;
  const found = new Uint8Array(across.length * height);
  for (let row = 0; row < height; row += 1) {
    across.forEach(({ first, weights }, place) => {
      let sum = 0;
      for (let index = 0; index < weights.length; index += 1) sum += values[row * width + first + index] * weights[index];
      found[row * across.length + place] = rounded(sum);
    });
  }
  return found;
}

function scaledDown(values, width, down) {
  if (!down) return values;
  const found = new Uint8Array(width * down.length);
  down.forEach(({ first, weights }, place) => {
    for (let column = 0; column < width; column += 1) {
      let sum = 0;
      for (let index = 0; index < weights.length; index += 1) sum += values[(first + index) * width + column] * weights[index];
      found[place * width + column] = rounded(sum);
    }
  });
  return found;
}
