// Let a long name break after a separator.
function allowBreaks(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    const parts = text.data.split(/(?<=\w(?:_|::|\/|\.|\())(?=\S)/);
    text.replaceWith(...parts.flatMap((part, index) => (index ? [document.createElement("wbr"), part] : [part])));
  }
}

// On a phone, show each row of a table with long texts as a block: its columns would be too narrow.
function stackRows(table) {
  const titles = [...table.tHead.rows[0].cells].map(title => title.textContent.trim());
  const rows = [...table.tBodies[0].rows].map(row => [...row.cells]);
  const long = cell => cell.textContent.length > 40 || /\S{20}/.test(cell.textContent);
  if (!rows.some(([, ...cells]) => cells.some(long))) return;
  table.classList.add("stacked");
  for (const cells of rows) cells.forEach((cell, index) => index && (cell.dataset.title = titles[index]));
}

// Let the lines of output with columns wrap below their last column.
function indentWrapped(block) {
  const lines = block.textContent.trimEnd().split("\n");
  const column = Math.max(...lines.map(line => line.match(/^(?:\S+ +){0,3}\S+ {2,}(?=\S)/)?.[0].length ?? 0));
  if (!column) return;
  block.classList.add("columns");
  block.style.setProperty("--column", `${column}ch`);
  block.replaceChildren(
    ...lines.map(line => {
      const shown = document.createElement("span");
      shown.textContent = `${line}\n`;
      shown.className = line.startsWith("  ") ? "detail" : /\S {2,}\S/.test(line) ? "row" : "sentence";
      return shown;
    }),
  );
}

document.addEventListener("DOMContentLoaded", () => {
  const names =
    ".content h1, .content :is(td, th) .pre, .content td a:not(:has(*)), .sig-prename, .sidebar-tree a, .page-info";
  document.querySelectorAll(names).forEach(allowBreaks);
  document.querySelectorAll(".content table:has(thead)").forEach(stackRows);
  document.querySelectorAll(".highlight-text pre").forEach(indentWrapped);

  for (const word of document.querySelectorAll(".content code:not(th *) .pre")) {
    // Keep a short word of code with hyphens, such as --preload, on one line.
    if (word.textContent.includes("-") && word.textContent.length < 20) word.classList.add("whole");
    // Let a word that may be longer than a line of a phone break where it is easiest to read.
    if (word.textContent.length > 36 && !word.closest("td")) allowBreaks(word);
  }

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
