// The bound page as XHTML, leaf by leaf, once every formula is drawn: for the EPUB.
window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  const written = {};
  for (const item of window.MathJax?.startup?.document?.math ?? []) {
    const drawn = item.typesetRoot?.querySelector("svg");
    if (!drawn) continue;
    drawn.setAttribute("role", "img");
    drawn.removeAttribute("aria-hidden");
    drawn.setAttribute("aria-label", item.math);
    drawn.querySelectorAll("[data-mml-node], [data-c]").forEach((one) => {
      for (const name of [...one.getAttributeNames()]) if (name.startsWith("data-")) one.removeAttribute(name);
    });
    const span = document.createElement("span");
    span.className = item.display ? "display" : "inline";
    span.append(drawn);
    item.typesetRoot.replaceWith(span);
  }
  for (const leaf of document.querySelectorAll(".leaf")) {
    leaf.querySelectorAll("script, style, noscript, button, input, select, canvas, audio").forEach((one) => one.remove());
    leaf.querySelectorAll("[for]").forEach((one) => one.removeAttribute("for")); // what it was for does not move here
    leaf.querySelectorAll("a:not([href], [id])").forEach((one) => one.replaceWith(...one.childNodes));
    const seen = new Set();
    for (const one of leaf.querySelectorAll("[id]")) seen.has(one.id) ? one.removeAttribute("id") : seen.add(one.id);
    leaf.querySelectorAll("table, td, th, tr, col").forEach((one) => {
      for (const name of ["border", "align", "valign", "width"]) one.removeAttribute(name);
    });
    written[leaf.id] = new XMLSerializer().serializeToString(leaf);
  }
  const text = document.createElement("pre");
  text.id = "written";
  text.textContent = JSON.stringify(written);
  document.body.replaceChildren(text);
});
