// A page that computes: a picture that is dropped on it, pasted or chosen is answered in the browser. `component` draws the graph, `view` is
// what the page was saved with, and `recipe` says what the network's outputs mean (app/graph_view/computing_page.py).

import { blank, read, shownAs } from "./pixels.mjs";
import { network } from "./runtime.mjs";
import { sweep } from "./sweep.mjs";
import { traceOf } from "./trace.mjs";
import { viewOf } from "./viewing.mjs";

export default function ({ ort, component, view, recipe }) {
  const [status, progress, chooser] = ["status", "progress", "picture"].map((id) => document.getElementById(id));
  const page = { view, recipe, status, progress, turn: 0 };
  page.draw = (data) => component({ data, parentElement: document.querySelector("main"), setTriggerValue() {}, setStateValue() {} });
  page.draw(view);
  page.ready = started(ort, recipe);
  page.ready.then(
    () => {
      chooser.disabled = false;
      status.textContent = "Drop a picture anywhere on this page, or choose one.";
    },
    (error) => (status.textContent = `This browser cannot run the network (${error.message}). Use a current one.`),
  );
  const take = (files) => files.length && answer(page, files[0]);
  chooser.addEventListener("change", () => take(chooser.files));
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files);
  });
}

// The network, once a picture without content has passed through all that is slow the first time.
async function started(ort, recipe) {
  const run = await network(ort, recipe);
  const pixels = await read(await blank(), recipe.image);
  shownAs(pixels, recipe.image);
  await run(pixels, 1);
  return run;
}

// Answers a file: at the slider's λ first, then at all others. A later file stops it.
async function answer(page, file) {
  const { view, recipe, status, progress } = page;
  page.turn += 1;
  const turn = page.turn;
  const run = await page.ready;
  const begun = performance.now();
  let pixels;
  try {
    pixels = await read(file, recipe.image);
  } catch {
    status.textContent = `${file.name} is not a picture that this browser can read. Save it as PNG or JPEG.`;
    return;
  }
  const picture = shownAs(pixels, recipe.image);
  let answered = false;
  await sweep({
    trace: async (lam) => traceOf(recipe, await run(pixels, lam), lam),
    lastStep: recipe.every_lam ? recipe.last_step : 0,
    wanted: () => (recipe.every_lam ? Number(document.querySelector("input[type=range]").value) : 0),
    stopped: () => turn !== page.turn,
    onProgress: (share) => (progress.value = share),
    onKnown(known, thresholds) {
      page.draw(viewOf(view, recipe, picture, file.name, known, thresholds));
      progress.hidden = thresholds !== null;
      if (answered) return;
      answered = true;
      performance.measure("answer", { start: begun });
      document.getElementById("seen").src = picture;
      document.getElementById("description").textContent = file.name;
      status.textContent = "Answered on this computer: the picture was not sent anywhere.";
    },
  });
}
