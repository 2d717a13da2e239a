// Tooltips of charts. Each target of a chart holds its text as a title, which browsers show by themselves, late
// and small; here it is shown at once, beside the place that it is about.

for (const chart of document.querySelectorAll(".chart")) {
  const tip = document.createElement("p");
  tip.className = "tip";
  tip.hidden = true;
  chart.append(tip);
  const texts = new Map();
  for (const target of chart.querySelectorAll(".target")) {
    const title = target.querySelector("title");
    texts.set(target, title.textContent);
    title.remove();
  }

  const hide = () => { tip.hidden = true; };
  chart.addEventListener("pointerover", ({ target }) => {
    if (!texts.has(target)) return;
    tip.textContent = texts.get(target);
    tip.hidden = false;
    place(tip, target.getBoundingClientRect(), chart.getBoundingClientRect());
  });
  // A finger that is lifted leaves too, but what it pointed at is still to be read.
  chart.addEventListener("pointerleave", ({ pointerType }) => { if (pointerType === "mouse") hide(); });
  document.addEventListener("pointerdown", ({ target }) => { if (!chart.contains(target)) hide(); });
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape") hide(); });
}

/** Put the tooltip beside its target, on the side that has more room, inside the chart. */
function place(tip, target, chart) {
  const gap = 8;
  const isRow = target.width > target.height;
  const [left, right] = isRow ? [target.right, target.right] : [target.left, target.right];
  const isLeft = left - chart.left > chart.right - right;
  const x = isLeft ? left - chart.left - tip.offsetWidth - gap : right - chart.left + gap;
  const y = isRow ? target.top - chart.top + (target.height - tip.offsetHeight) / 2 : 0;
  tip.style.left = `${Math.max(0, Math.min(x, chart.width - tip.offsetWidth))}px`;
  tip.style.top = `${Math.max(0, y)}px`;
}
