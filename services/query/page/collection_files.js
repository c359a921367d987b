/** The files that were dropped, those in dropped folders too. */

/** Must be called while the drop is handled: what it holds is gone afterwards. */
export async function filesOf(transfer) {
  const entries = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = [];
  for (const entry of entries) await collect(entry, found);
  return found;
}

async function collect(entry, found) {
  if (entry instanceof File) found.push(entry);
  else if (entry?.isFile) {
    found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  } else if (entry?.isDirectory) {
    const reader = entry.createReader();
    // It gives some at a time, and none at the end.
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const one of some) if (!one.name.startsWith(".")) await collect(one, found);
    }
  }
}
