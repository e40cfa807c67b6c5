/* What a page does once it is open: draw its charts, switch its colours, copy its code, print it light. */
"use strict";
{
  const root = document.documentElement;
  const remembered = () => { try { return localStorage.getItem("farthing-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("farthing-theme", theme); } catch { /* a file opened from disk may have no storage */ } };
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);

  function show(theme) {
    root.dataset.theme = theme;
    farthingCharts.repaint();
  }

  if (remembered()) root.dataset.theme = remembered();
  for (const button of document.querySelectorAll("[data-switch-theme]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const theme = dark() ? "light" : "dark";
      remember(theme);
      show(theme);
    });
  }

  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const spec = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
    farthingCharts.draw(figure.querySelector(".canvas"), spec);
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.closest(".code").querySelector("code").textContent);
      button.textContent = "Copied";
    });
  }

  let before;
  addEventListener("beforeprint", () => { before = root.dataset.theme ?? (dark() ? "dark" : "light"); show("light"); });
  addEventListener("afterprint", () => { show(before); });
}
