// The time zone of pages of numbers: offers the browser's, and a button once another one is chosen.

const form = document.querySelector("form.zone");
const select = form.elements.zone;
const button = form.querySelector("button");
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;

if (own && ![...select.options].some(({ text }) => text === own)) select.add(new Option(own, own), 1);
for (const option of select.options) if (option.text === own && own !== "UTC") option.text = `${own} (yours)`;
button.hidden = true;
select.addEventListener("change", () => { button.hidden = select.selectedOptions[0].defaultSelected; });
