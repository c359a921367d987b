/** The picture of a part of a search, small: cropped as the search has it. */

import { el } from "./dom.js";
import { thumbnail } from "./thumbnail.js";

export function partPicture(part, name, api, sources) {
  const box = el("span", { class: "part-picture" });
  if (part.kind === "image") {
    box.append(thumbnail(api, part.value, ""));
    return box;
  }
  const img = el("img", { alt: "", title: name });
  // A browser can't show every format that can be searched by.
  img.addEventListener("error", () => box.classList.add("broken"));
  box.append(img);
  show(img, part, sources);
  return box;
}

async function show(img, part, sources) {
  try {
    const url = URL.createObjectURL(await sources.blobOf(part));
    img.addEventListener("load", () => {
      if (part.crop) frame(img, part.crop);
      img.classList.add("here");
      URL.revokeObjectURL(url);
    });
    img.src = url;
  } catch {
    img.dispatchEvent(new Event("error"));
  }
}

/** Shows the box `crop` of a picture in its square. */
function frame(img, { x, y, width, height }) {
  const [wide, high] = [img.naturalWidth * width, img.naturalHeight * height];
  const scale = 1 / Math.min(wide, high);
  img.style.objectFit = "fill";
  img.style.width = `${img.naturalWidth * scale * 100}%`;
  img.style.height = `${img.naturalHeight * scale * 100}%`;
  const left = x * img.naturalWidth + (wide - Math.min(wide, high)) / 2;
  const top = y * img.naturalHeight + (high - Math.min(wide, high)) / 2;
  img.style.marginLeft = `${-left * scale * 100}%`;
  img.style.marginTop = `${-top * scale * 100}%`;
}

/** A part's picture as it is searched by: cut to its crop. */
export async function cut(blob, crop) {
  if (!crop) return blob;
  const bitmap = await createImageBitmap(blob);
  const [x, y] = [crop.x * bitmap.width, crop.y * bitmap.height];
  const canvas = el("canvas");
  canvas.width = Math.max(1, Math.round(crop.width * bitmap.width));
  canvas.height = Math.max(1, Math.round(crop.height * bitmap.height));
  canvas.getContext("2d").drawImage(bitmap, -x, -y);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
