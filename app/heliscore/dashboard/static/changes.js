// Opens the overview with what changed: the headlines of the page of changes, which is asked for once the overview is
// there. Where that fails, the link to the page stays.

const place = document.getElementById("changed");

async function showHeadlines() {
  const link = place.querySelector("a");
  const response = await fetch(link.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(15000) });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const changes = response.ok && page.getElementById("changes");
  if (!changes) return;
  const all = changes.querySelectorAll(".changes > li");
  for (const line of changes.querySelectorAll(".changes > li:not([data-headline])")) line.remove();
  for (const numbers of changes.querySelectorAll(".change-numbers")) numbers.remove();
  const hint = changes.querySelector(".hint");
  link.textContent = all.length ? "All that changed" : "More";
  hint.replaceChildren(page.getElementById("comparisons"), ". ", link);
  place.replaceChildren(...document.adoptNode(changes).childNodes);
}

place.setAttribute("aria-busy", "true");
showHeadlines().catch(() => {}).finally(() => place.removeAttribute("aria-busy"));
