// Let a long name break after a separator.
function allowBreaks(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    const parts = text.data.split(/(?<=\w(?:_|::|\/|\.))(?=\w)/);
    text.replaceWith(...parts.flatMap((part, index) => (index ? [document.createElement("wbr"), part] : [part])));
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const names =
    ".content h1, .content :is(td, th) .pre, .content td a:not(:has(*)), .sig-prename, .sidebar-tree a, .page-info";
  document.querySelectorAll(names).forEach(allowBreaks);

  // Keep a short word of code with hyphens, such as --preload, on one line.
  for (const word of document.querySelectorAll(".content code:not(th *) .pre"))
    if (word.textContent.includes("-") && word.textContent.length < 20) word.classList.add("whole");

  // Let each picture of a page open in full size.
  for (const image of document.querySelectorAll(".content article img")) {
    if (image.closest("a")) continue;
    const link = document.createElement("a");
    link.href = image.src;
    link.className = "picture";
    image.replaceWith(link);
    link.append(image);
  }
});
