// Stars: a button with data-bookmark (its address in the API) puts a feature into "bookmarks" and takes it out.
import { say, send } from "./api.js";

document.addEventListener("click", async (event) => {
  const star = event.target.closest("button[data-bookmark]");
  if (!star) return;
  const isOn = star.getAttribute("aria-pressed") === "true";
  star.disabled = true;
  try {
    await send(isOn ? "DELETE" : "PUT", star.dataset.bookmark, isOn ? undefined : {});
    star.setAttribute("aria-pressed", String(!isOn));
    star.querySelector("[data-sign]").textContent = isOn ? "☆" : "★";
    say(document.querySelector("[data-message]"), "");
  } catch (error) {
    say(document.querySelector("[data-message]"), error.message);
  } finally {
    star.disabled = false;
    star.focus();
  }
});
