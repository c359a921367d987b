/** Thumbnails, loaded when they come near the screen. */

import { el } from "./dom.js";

const AGAIN_MS = 1500;

const waiting = new Map();
const nearby = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      nearby.unobserve(target);
      waiting.get(target)?.();
      waiting.delete(target);
    }
  },
  { rootMargin: "400px" },
);

/**
 * The `<img>` of an indexed image. It gets the class `here` once loaded; one that can't be loaded
 * gives its box the class `broken`.
 */
export function thumbnail(api, id, alt) {
  const img = el("img", { alt, decoding: "async" });
  img.addEventListener("load", () => img.classList.add("here"));
  img.addEventListener("error", () => again(img));
  const url = api.thumbnailUrl(id);
  if (api.key === null) {
    img.loading = "lazy";
    img.src = url;
  } else {
    // An `<img>` can't send the key.
    waiting.set(img, () => fetched(api, url, img));
    nearby.observe(img);
  }
  return img;
}

/** A service that has much to do may well have the picture a moment later. */
function again(img) {
  const { src } = img;
  if (!src || src.startsWith("blob:") || img.dataset.tried)
    return img.parentElement?.classList.add("broken");
  img.dataset.tried = "once";
  setTimeout(() => {
    if (!img.isConnected) return;
    img.removeAttribute("src");
    img.src = src;
  }, AGAIN_MS);
}

async function fetched(api, url, img) {
  try {
    const blobUrl = URL.createObjectURL(await api.blob(url));
    const release = () => URL.revokeObjectURL(blobUrl);
    img.addEventListener("load", release, { once: true });
    img.addEventListener("error", release, { once: true });
    img.src = blobUrl;
  } catch {
    img.dispatchEvent(new Event("error"));
  }
}

const RAW = /\.(dng|cr2|cr3|nef|nrw|arw|raf|orf|rw2|pef|srw)$/i;

/** Whether the file may be one that browsers show: no RAW, which would be megabytes for nothing. */
function hasPicture({ uris }) {
  return uris.length > 0 && !RAW.test(uris[0]);
}

/** The whole picture of an image: its thumbnail, until the file itself is there. */
export function picture(api, hit, alt) {
  const img = el("img", { alt, class: "here", decoding: "async" });
  const show = (url, kept) => {
    const large = new Image();
    large.addEventListener("load", () => {
      img.src = url;
      if (kept) img.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
    });
    large.src = url;
  };
  const small = api.thumbnailUrl(hit.id);
  if (api.key === null) {
    img.src = small;
    // A format that the browser can't show stays a thumbnail.
    if (hasPicture(hit)) show(api.fileUrl(hit.id), false);
  } else {
    fetched(api, small, img);
    if (hasPicture(hit))
      api.blob(api.fileUrl(hit.id)).then(
        (blob) => show(URL.createObjectURL(blob), true),
        () => img.dispatchEvent(new Event("error")),
      );
  }
  return img;
}
