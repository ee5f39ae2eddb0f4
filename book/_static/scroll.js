// What scrolls sideways inside its own box can be reached by keyboard; nothing else is a stop on the way.
const boxes = new ResizeObserver((changed) => {
  for (const { target } of changed) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
addEventListener("DOMContentLoaded", () => {
  const all = document.querySelectorAll(".bd-article :is(table, figure, pre, .math)");
  for (const box of all) boxes.observe(box);
});
