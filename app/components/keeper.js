// Keeps a person’s own picture in the tab’s storage, which a reload survives and which ends with the tab.

const PLACE = "gatescopePicture"; // key of the tab's storage

export default function ({ data, setTriggerValue, parentElement }) {
  try {
    if (data.data !== null) {
      sessionStorage.setItem(PLACE, JSON.stringify({ data: data.data, name: data.name, shown: data.shown }));
    } else if (data.removed) {
      sessionStorage.removeItem(PLACE);
    } else if (!parentElement.asked) {
      parentElement.asked = true;
      const kept = sessionStorage.getItem(PLACE);
      if (kept) setTriggerValue("returned", JSON.parse(kept));
    }
  } catch {
    // without storage, or where the picture is too large for it, a reload forgets the picture
  }
}
