// Plays λ, and the order in which modules ran.

import { intervalAt, moveTo, rest, stepOf } from "./lam.mjs";
import { light } from "./lighting.mjs";

const SWEEP = 6000; // milliseconds for λ from 0 to 1
const BEAT = 260; // milliseconds per node when an execution is played

export function stop(page) {
  cancelAnimationFrame(page.playing);
  page.playing = 0;
  page.upto = null;
  page.sweep.textContent = "▶ Play";
  page.steps.textContent = "▷ Step through";
}

function play(page, control, from, length, at) {
  const running = control.textContent.startsWith("■");
  stop(page);
  if (running) {
    light(page);
    rest(page);
    return;
  }
  control.textContent = "■ Stop";
  const start = performance.now() - from;
  const next = (now) => {
    const share = Math.min((now - start) / length, 1);
    at(share);
    if (share < 1) page.playing = requestAnimationFrame(next);
    else {
      stop(page);
      light(page);
      rest(page);
    }
  };
  page.playing = requestAnimationFrame(next);
}

export function playLam(page) {
  const last = page.data.last_step;
  const from = page.step < last ? page.step : 0;
  play(page, page.sweep, (SWEEP * from) / last, SWEEP, (share) => moveTo(page, Math.round(last * share)));
}

export function playSteps(page) {
  const { executed } = intervalAt(page.data, stepOf(page, page));
  play(page, page.steps, 0, BEAT * executed.length, (share) => {
    page.upto = Math.ceil(share * executed.length);
    light(page);
  });
}
