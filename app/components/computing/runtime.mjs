// Runs the network that the page holds, with the ONNX Runtime that it holds.

// The bytes of an element of the page that holds them, compressed by gzip, in base 64.
async function unpacked(id) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place += 1) bytes[place] = text.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// A function that runs the network on pixels (C, H, W) at a λ. Its result has `logits`, `macs`, `ran` (of every node) and `gates` (of every
// controller, side by side).
export async function network(ort, { image, every_lam: everyLam }) {
  const [runtime, program] = await Promise.all([unpacked("runtime"), unpacked("program")]);
  ort.env.logLevel = "error";
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = runtime;
  const session = await ort.InferenceSession.create(program, { executionProviders: ["wasm"], logSeverityLevel: 3 });
  return async (pixels, lam) => {
    const given = { image: new ort.Tensor("uint8", pixels, [1, ...image]) };
    if (everyLam) given.lam = new ort.Tensor("float32", Float32Array.of(lam), []);
    const { logits, macs, ran, gates } = await session.run(given);
    return { logits: [...logits.data], macs: macs.data[0], ran: [...ran.data].map(Boolean), gates: [...gates.data] };
  };
}
