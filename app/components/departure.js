// Says that the page is drawn in which this stands: what the browser sent before reaches the server before this does.

export default function ({ setStateValue, parentElement }) {
  if (parentElement.asked) return;
  parentElement.asked = true;
  setStateValue("left", true);
}
