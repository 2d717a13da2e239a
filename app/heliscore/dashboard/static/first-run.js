// Turns the page of an empty organization into the overview as soon as there is a score.

import { Refused, send } from "./page.js";

const PAUSE_MS = 3000;
const waiting = document.getElementById("waiting");
let timer = null;

async function look() {
  timer = null;
  try {
    const { arrived } = await send("GET", "/first-score");
    if (arrived) {
      location.reload();
      return;
    }
    waiting.textContent = "Waiting for the first score";
  } catch (refused) {
    if (!(refused instanceof Refused)) throw refused;
    if (refused.status === 401) {
      location.reload(); // to the form to sign in, and back
      return;
    }
    waiting.textContent = `Waiting; just now ${refused.message}`;
  }
  wait();
}

/** Look again in a while, but not for nobody: a hidden page looks when it is shown again. */
function wait() {
  if (timer === null && !document.hidden) timer = setTimeout(look, PAUSE_MS);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  timer = null;
  wait();
});
waiting.hidden = false;
wait();
