// Tells the charts which λ the map was moved to. The map and the charts are drawn apart, so that the map’s pictures are sent once.
export default function ({ data, setStateValue }) {
  const heard = (event) => event.detail.map === data.map && setStateValue("step", event.detail.step);
  window.addEventListener("gatescope-atlas-step", heard);
  return () => window.removeEventListener("gatescope-atlas-step", heard);
}
