// The overview's count of requests without a score, which is asked for once the page is there. Where counting takes too
// long, the link to them stays as it is.

import { send } from "./page.js";

const line = document.getElementById("unscored");

async function showUnscored() {
  const { requests, unscored } = await send("GET", line.dataset.address);
  if (requests === null) return;
  const count = (number) => number.toLocaleString("en");
  if (unscored === 0) line.textContent = `All ${count(requests)} requests have a score.`;
  else {
    const have = unscored === 1 ? "has" : "have";
    line.firstElementChild.textContent = `${count(unscored)} of ${count(requests)} requests ${have} no score`;
  }
}

showUnscored().catch(() => {});
