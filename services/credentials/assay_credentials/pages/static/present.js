// Looks whether the wallet has answered, and then loads the page again. Without this script there
// is a link that does the same.

const BETWEEN_LOOKS_MS = 2000;

const waiting = document.getElementById("waiting");

async function look() {
  let state = "waiting";
  try {
    const answer = await fetch(waiting.dataset.state, { cache: "no-store" });
    if (answer.ok) ({ state } = await answer.json());
    else if (answer.status === 404) state = "ended";
  } catch {
    // The network is away for a moment; the next look tells.
  }
  if (state === "waiting") setTimeout(look, BETWEEN_LOOKS_MS);
  else location.reload();
}

setTimeout(look, BETWEEN_LOOKS_MS);
