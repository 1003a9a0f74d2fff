// Says that it is at work, and shows the strongest features of the token that was chosen beside the text.

const form = document.querySelector("form[data-try]");
const table = document.querySelector("[data-token-table]");
const panel = document.querySelector("[data-token-panel]");

form?.addEventListener("submit", () => {
  form.querySelector("button").disabled = true;
  form.querySelector("[data-message]").hidden = false;
});

// A page that the browser kept and shows again (Back) must not keep its button off.
window.addEventListener("pageshow", () => {
  if (form) form.querySelector("button").disabled = false;
});

document.addEventListener("click", (event) => {
  const token = event.target.closest("a[data-token]");
  if (!token || !panel) return;
  event.preventDefault();
  for (const other of document.querySelectorAll("a[data-token][aria-current]")) other.removeAttribute("aria-current");
  token.setAttribute("aria-current", "true");
  const row = table.querySelector(token.getAttribute("href"));
  panel.replaceChildren(...[...row.children].map((cell) => {
    const part = document.createElement("div");
    part.append(...cell.cloneNode(true).childNodes);
    return part;
  }));
});
