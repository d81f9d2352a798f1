// A page that computes: a picture that is dropped on it, or chosen, is answered in the browser. `component` draws the graph, `view` is what the
// page was saved with, and `recipe` says what the network's outputs mean (app/graph_view/computing.py).

import { blank, read, shownAs } from "./pixels.mjs";
import { network } from "./runtime.mjs";
import { sweep } from "./sweep.mjs";
import { traceOf } from "./trace.mjs";
import { viewOf } from "./viewing.mjs";

export default function (parts) {
  return start(parts);
}

async function start({ ort, component, view, recipe }) {
  const root = document.querySelector("main");
  const [status, progress, chooser] = ["status", "progress", "picture"].map((id) => document.getElementById(id));
  let turn = 0; // counts pictures, so that an earlier one stops
  const draw = (data) => component({ data, parentElement: root, setTriggerValue() {}, setStateValue() {} });
  draw(view);
  let run;
  try {
    run = await network(ort, recipe);
    const pixels = await read(await blank(), recipe.image); // so that the first picture does not wait for what is slow once
    shownAs(pixels, recipe.image);
    await run(pixels, 1);
  } catch (error) {
    status.textContent = `This browser cannot run the network (${error.message}). Use a current one.`;
    return;
  }
  const answer = async (file) => {
    const begun = performance.now();
    turn += 1;
    const own = turn;
    let pixels;
    try {
      pixels = await read(file, recipe.image);
    } catch {
      status.textContent = `${file.name} is not a picture that this browser can read. Save it as PNG or JPEG.`;
      return;
    }
    const picture = shownAs(pixels, recipe.image);
    let first = true;
    await sweep({
      trace: async (lam) => traceOf(recipe, await run(pixels, lam), lam),
      lastStep: recipe.every_lam ? recipe.last_step : 0,
      wanted: () => (recipe.every_lam ? Number(document.querySelector("input[type=range]").value) : 0),
      stopped: () => own !== turn,
      onProgress: (share) => (progress.value = share),
      onKnown(known, thresholds) {
        draw(viewOf(view, recipe, picture, file.name, known, thresholds));
        if (first) {
          performance.measure("answer", { start: begun });
          first = false;
          document.getElementById("seen").src = picture;
          document.getElementById("description").textContent = file.name;
          status.textContent = "Answered on this computer: the picture was not sent anywhere.";
        }
        progress.hidden = thresholds !== null;
      },
    });
  };
  chooser.disabled = false;
  chooser.addEventListener("change", () => chooser.files.length && answer(chooser.files[0]));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) answer(event.dataTransfer.files[0]);
  });
  document.addEventListener("paste", (event) => event.clipboardData.files.length && answer(event.clipboardData.files[0]));
  status.textContent = "Drop a picture anywhere on this page, or choose one.";
}
