// A reviewer's link: the key is taken out of the address into the form.

const key = document.getElementById("key");
const sent = location.hash.slice(1);
if (sent) {
  key.value = sent;
  history.replaceState(null, "", location.pathname);
}
if (key.value) document.getElementById("key-field").hidden = true;
