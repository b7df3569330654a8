document.addEventListener("DOMContentLoaded", () => {
  // Let long names in tables break after a separator.
  for (const code of document.querySelectorAll(".content td .pre, .content td a:not(:has(*))")) {
    code.innerHTML = code.innerHTML.replace(/(?<=\w)(_|::|\/|\.)(?=\w)/g, "$1<wbr>");
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
