// Makes and deletes lists, and takes features out of one; the page is then read again from the server.
import { say, send } from "./api.js";

const message = document.querySelector("[data-message]");

async function change(work, next) {
  try {
    await work();
    next();
  } catch (error) {
    say(message, error.message);
  }
}

document.querySelector("form[data-new-list]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  const given = new FormData(event.target);
  change(
    () => send("POST", event.target.dataset.newList, { name: given.get("name"), description: given.get("description") }),
    () => location.reload(),
  );
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-delete]");
  if (!button || (button.dataset.confirm && !window.confirm(button.dataset.confirm))) return;
  change(
    () => send("DELETE", button.dataset.delete),
    () => (button.dataset.next ? location.assign(button.dataset.next) : location.reload()),
  );
});
