// Let each picture of a page open in full size.
document.addEventListener("DOMContentLoaded", () => {
  for (const image of document.querySelectorAll(".content article img")) {
    if (image.closest("a")) continue;
    const link = document.createElement("a");
    link.href = image.src;
    link.className = "picture";
    image.replaceWith(link);
    link.append(image);
  }
});
