// Small forms of one choice: their button shows once another one is chosen. That of the time zone offers the browser's.

const zone = document.getElementById("zone");
const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (own && ![...zone.options].some(({ text }) => text === own)) zone.add(new Option(own, own), 1);
for (const option of zone.options) if (option.text === own && own !== "UTC") option.text = `${own} (yours)`;

for (const form of document.querySelectorAll("form.quick-choice")) {
  const [select, button] = [form.querySelector("select"), form.querySelector("button")];
  button.hidden = true;
  select.addEventListener("change", () => { button.hidden = select.selectedOptions[0].defaultSelected; });
}
