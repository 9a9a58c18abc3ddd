// What every page does: its times, and notes that stay folded away until they change.

import "./times.js";

const toggled = ({ target: notes }) => {
  if (!notes.matches("details[data-notes]")) return;
  const folded = notes.open ? "" : notes.dataset.notes;
  document.cookie = `notes=${folded}; path=/; max-age=${folded ? 31536000 : 0}; samesite=lax`;
};
document.addEventListener("toggle", toggled, true); // it does not bubble
