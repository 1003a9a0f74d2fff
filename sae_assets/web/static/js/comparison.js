// Starts the comparison of two checkpoints, shows how far it is, and shows the pairs when they are there.
import { say, send } from "./api.js";

const POLL_MS = 1500;
const box = document.querySelector("[data-comparison]");
const button = box?.querySelector("button");
const bar = box?.querySelector("progress");
const message = box?.querySelector("[data-message]");

async function follow() {
  try {
    const comparison = await send("GET", box.dataset.read);
    if (comparison.state === "running") {
      if (comparison.progress === null) bar.removeAttribute("value");
      else bar.value = comparison.progress;
      const share = comparison.progress === null ? "" : ` ${Math.round(100 * comparison.progress)} % done.`;
      say(message, `Comparing.${share}`);
      setTimeout(follow, POLL_MS);
    } else {
      location.reload();
    }
  } catch (error) {
    say(message, error.message);
    if (button) button.disabled = false;
  }
}

function isRunning() {
  if (button) button.disabled = true;
  bar.hidden = false;
  setTimeout(follow, POLL_MS);
}

button?.addEventListener("click", async () => {
  try {
    await send("POST", box.dataset.start, { first: box.dataset.first, second: box.dataset.second });
    say(message, "Comparing.");
    isRunning();
  } catch (error) {
    say(message, error.message);
  }
});

if (box?.dataset.state === "running") isRunning();
