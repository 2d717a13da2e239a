// Where a reviewer is: the request's number among those of the search, and the answer in its conversation.

import { send } from "./page.js";

/** What the searches find, by the address that counts it: counted once, so that the total stays while scores change. */
const totals = new Map();

/** Show how many requests the search finds, if that is counted in time. */
export async function showTotal() {
  const places = [...document.querySelectorAll(".place")];
  if (places.length === 0) return;
  const { count: address, number } = places[0].dataset;
  if (!totals.has(address)) totals.set(address, send("GET", address).then(({ count }) => count, () => null));
  const count = await totals.get(address);
  if (count === null || count < Number(number)) return;
  for (const place of places) place.querySelector(".total").textContent = ` of ${count.toLocaleString("en")}`;
}

/** Go to the answer; returns whether there is one. */
export function showAnswer() {
  const answer = document.getElementById("answer");
  answer?.scrollIntoView();
  answer?.focus({ preventScroll: true });
  return answer !== null;
}

/** Open a conversation that is longer than the screen at its answer, with as much before it as there is room for. */
export function openAtAnswer() {
  const answer = document.getElementById("answer");
  if (!answer || location.hash) return;
  const { top, bottom, height } = answer.getBoundingClientRect();
  const fits = height < innerHeight * 0.7;
  // A little would only push what is above half out of sight.
  const least = document.getElementById("title").getBoundingClientRect().bottom;
  if ((fits ? bottom - innerHeight : top) > least) answer.scrollIntoView({ block: fits ? "nearest" : "start" });
}
