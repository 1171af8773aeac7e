"use strict";
// Before anything is drawn, so that no page flashes in the other theme.
try {
  const theme = localStorage.getItem("perfgate-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden here: the system's preference holds.
}
