/** Videos: a mark with the duration on their posters, and a player where the browser can play one. */

import { el } from "./dom.js";

export function isVideo({ file }) {
  return file?.duration_s != null || ["MP4", "MOV", "WebM", "MKV", "AVI"].includes(file?.format);
}

/** Minutes and seconds, or with hours: `1:05`, `2:00:09`. */
export function clock(seconds) {
  const whole = Math.round(Number(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** What lies on the poster of a video, with the time that a search found; nothing on that of a picture. */
export function playMark(image) {
  if (!isVideo(image)) return null;
  const length = image.file.duration_s;
  const at = image.time_s > 0 ? ` ${clock(image.time_s)} /` : "";
  return el("span", { class: "play-mark", "aria-hidden": "true" }, "▶", at, length == null ? "" : ` ${clock(length)}`);
}

/** A player over the poster, which begins where a search found the video. A kind that the browser can't play stays its poster. */
export function player(api, hit, name) {
  const poster = api.thumbnailUrl(hit.id);
  const from = hit.time_s > 0 ? `#t=${hit.time_s}` : "";
  const video = el("video", { class: "here", controls: true, preload: "metadata", playsinline: true, "aria-label": name });
  if (api.key === null) {
    video.poster = poster;
    video.src = api.fileUrl(hit.id) + from;
  } else {
    const shown = [];
    const put = (url, attribute, from = "") =>
      api.blob(url).then(
        (blob) => {
          const made = URL.createObjectURL(blob);
          shown.push(made);
          video[attribute] = made + from;
          if (!video.isConnected) for (const one of shown.splice(0)) URL.revokeObjectURL(one);
        },
        () => video.dispatchEvent(new Event("error")),
      );
    put(poster, "poster");
    put(api.fileUrl(hit.id), "src", from);
  }
  return video;
}
