// Reloads the page of an empty organization, which is then the overview, as soon as there is a score.

import { RequestError, send } from "./page.js";

const PAUSE_MS = 3000;
const waiting = document.getElementById("waiting");
let timer = null;

async function check() {
  timer = null;
  try {
    const { arrived } = await send("GET", "/first-score");
    if (arrived) {
      location.reload();
      return;
    }
    waiting.textContent = "Waiting for the first score";
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    if (error.status === 401) {
      location.reload(); // to the form to sign in, and back
      return;
    }
    waiting.textContent = `Waiting; last check failed: ${error.message}`;
  }
  wait();
}

/** Check again after a pause. A hidden page waits until it is visible. */
function wait() {
  if (timer === null && !document.hidden) timer = setTimeout(check, PAUSE_MS);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  timer = null;
  wait();
});
waiting.hidden = false;
wait();
