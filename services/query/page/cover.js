/** A small picture that stands for a tag or a folder, asked for once it comes near the screen. */

const waiting = new WeakMap();
const nearby = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      nearby.unobserve(target);
      waiting.get(target)?.();
    }
  },
  { rootMargin: "300px" },
);

/** Has `img` show the image whose id `idOf()` resolves to. */
export function cover(img, thumbnails, idOf) {
  waiting.set(img, async () => {
    try {
      const id = await idOf();
      if (id && img.isConnected) thumbnails.add(img, id);
    } catch {
      // The card is whole without its picture.
    }
  });
  nearby.observe(img);
}
