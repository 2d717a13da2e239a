// The order in which requests are reviewed: that of the table, even if scores have changed since. It is stored for
// the tab.

const KEY = "heliscore.queue";

/** Store the addresses of the table's requests. */
export function rememberQueue(addresses) {
  sessionStorage.setItem(KEY, JSON.stringify(addresses));
}

/** The queue and the index of a request in it. A request that is not in it starts a new queue. */
export function findInQueue(address) {
  const queue = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
  const index = queue.indexOf(address);
  if (index >= 0) return { queue, index };
  rememberQueue([address]);
  return { queue: [address], index: 0 };
}

/** Append a request if `after` is the last one. */
export function extendQueue(after, address) {
  const { queue, index } = findInQueue(after);
  if (index === queue.length - 1 && !queue.includes(address)) rememberQueue([...queue, address]);
}
