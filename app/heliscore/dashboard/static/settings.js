// Copies what is shown only once, and keeps a reload of that page from sending the form again.

import { notify } from "./page.js";

history.replaceState(history.state, "", location.href);

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      notify("The browser does not allow copying: the text is selected");
    }
  });
}
