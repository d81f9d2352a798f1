// Figures in words, as app/wording.py writes them.

export function counted(macs) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (macs < 0.9995 * size) continue;
    const value = macs / size;
    return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${unit}`;
  }
  return macs.toFixed(0);
}

export function percent(share) {
  if (share <= 0) return "0%";
  return share < 0.0005 ? "under 0.1%" : `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
}

export const scaled = (scale) => (scale <= 0 ? "" : scale >= 0.005 ? `×${scale.toFixed(2)}` : "under ×0.01");
