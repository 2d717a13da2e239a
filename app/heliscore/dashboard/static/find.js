// Search among many names on the page: what does not contain the words is hidden.

/** Show the field of a search over `rows`, functions that give the elements and the text of one. Enter goes to the
 * first that is shown, Escape shows all again. */
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
    if (event.key === "Enter") enter(listRows().find((row) => !row.hidden));
    else if (input.value) {
      input.value = "";
      search();
    } else input.blur();
  });
}

/** Without regard to case and accents. */
const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
