// Keys that work on every page; none of them acts while something is being typed.

const dialog = document.querySelector("dialog.keys");
document.querySelector("[data-keys]")?.addEventListener("click", () => dialog.showModal());

const follow = (selector) => document.querySelector(selector)?.click();

const keys = {
  "/": () => {
    const field = document.querySelector("[data-search]");
    field?.focus();
    field?.select();
  },
  "?": () => dialog?.showModal(),
  ArrowLeft: () => follow("a[rel~=prev]"),
  ArrowRight: () => follow("a[rel~=next]"),
  b: () => follow(".titlebar button[data-bookmark]"),
  e: () => {
    const edit = document.querySelector("details[data-edit]");
    if (!edit) return;
    edit.open = true;
    edit.querySelector("textarea").focus();
  },
  r: () => follow("a[data-random]"),
  u: () => follow("a[data-up]"),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches("input, textarea")) event.target.blur();
  const isTyping = event.target.closest("input, textarea, select, dialog[open]");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});
