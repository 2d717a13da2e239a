// The order in which requests are reviewed: as the table showed them, however scores have changed since. It is
// kept for the tab.

const KEY = "heliscore.queue";

/** Keep the addresses of the requests that the table shows. */
export function rememberQueue(addresses) {
  sessionStorage.setItem(KEY, JSON.stringify(addresses));
}

/** The queue, and where a request is in it. One that is not in it begins a new queue. */
export function findInQueue(address) {
  const queue = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  const index = queue.indexOf(address);
  if (index >= 0) return { queue, index };
  rememberQueue([address]);
  return { queue: [address], index: 0 };
}

/** Put a request behind another, which was the last one. */
export function extendQueue(after, address) {
  const { queue, index } = findInQueue(after);
  if (index === queue.length - 1 && !queue.includes(address)) rememberQueue([...queue, address]);
}
