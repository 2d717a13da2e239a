// Search among many names on the page: what does not contain the words is hidden.

/** Show the field of a search; `listRows` and `textOf` give the elements and the text of one. Enter goes to the first
 * that is shown, by `enter`; then, and on Escape, all are shown again. `shown` takes whether a search is on. */
export function offerSearch(input, listRows, textOf, { shown = () => {}, enter = () => {} } = {}) {
  input.parentElement.hidden = false;
  const search = () => {
    const words = fold(input.value).split(/\s+/).filter(Boolean);
    for (const row of listRows()) row.hidden = !words.every((word) => fold(textOf(row)).includes(word));
    shown(words.length > 0);
  };
  input.addEventListener("input", search);
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" && event.key !== "Enter") return;
    event.preventDefault();
    const found = listRows().find((row) => !row.hidden);
    if (event.key === "Escape" && !input.value) input.blur();
    if (event.key === "Enter") {
      if (!found) return;
      // Keys that follow at once are not for this field.
      input.blur();
      enter(found);
    }
    input.value = "";
    search();
  });
}

/** Without regard to case and accents. */
const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
