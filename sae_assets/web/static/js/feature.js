// On a feature's page: whole contexts and the history in place, and what people write.
import { say, send } from "./api.js";

const message = document.querySelector("[data-message]");

// A link with data-expand opens the page that it leads to under itself; a second click closes it.
async function expand(link) {
  const place = link.dataset.expand ? document.querySelector(link.dataset.expand) : link.closest("li");
  const open = place.querySelector("[data-fragment]");
  if (open) {
    open.remove();
  } else {
    const response = await fetch(link.href);
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    place.append(document.adoptNode(page.querySelector("[data-fragment]")));
    place.querySelector("mark.peak")?.scrollIntoView({ block: "nearest" });
  }
  link.setAttribute("aria-expanded", String(!open));
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-expand]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    await expand(link);
  } catch (error) {
    say(message, error.message);
  }
});

function onSubmit(selector, work) {
  document.querySelector(selector)?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    try {
      await work(form, new FormData(form));
      location.reload();
    } catch (error) {
      say(message, error.message);
    }
  });
}

onSubmit("form[data-field]", (form, given) => send("PUT", form.dataset.put, { text: given.get("text") }));

onSubmit("form[data-annotation]", (form, given) => {
  const tags = given.get("tags").split(",").map((tag) => tag.trim()).filter(Boolean);
  return send("PUT", form.dataset.put, { tags, note: given.get("note") });
});

onSubmit("form[data-add-to-list]", async (form, given) => {
  const name = given.get("list").trim();
  const known = [...form.querySelectorAll("option")].some((option) => option.value === name);
  if (!known) await send("POST", "/api/v1/lists", { name });
  await send("PUT", `/api/v1/lists/${encodeURIComponent(name)}${form.dataset.addToList}`, {});
});
