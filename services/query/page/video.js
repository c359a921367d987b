/** Videos: a mark with the duration on their posters, and a player where the browser can play one. */

import { el } from "./dom.js";
import { LARGE } from "./messages.js";

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
  const video = el("video", { class: "here", controls: true, preload: "metadata", playsinline: true, "aria-label": name });
  const poster = api.thumbnailUrl(hit.id);
  if (api.key === null) video.poster = poster;
  else api.blob(poster).then((blob) => showPoster(video, blob), () => {});
  new Loader(api, hit, video).load(hit.time_s ?? 0);
  return video;
}

function showPoster(video, blob) {
  if (!video.isConnected) return;
  video.poster = URL.createObjectURL(blob);
  video.addEventListener("playing", () => URL.revokeObjectURL(video.poster), { once: true });
}

/** Has a player read its file in parts: keeps it allowed to, and waits for a file that is being checked. */
class Loader {
  #note = el("p", { class: "checking", role: "status", hidden: true }, LARGE.checking);
  #again = true;
  #timer = null;

  constructor(api, hit, video) {
    this.api = api;
    this.hit = hit;
    this.video = video;
    video.addEventListener("error", () => this.#failed());
    video.addEventListener("playing", () => (this.#again = true));
    video.addEventListener("loadedmetadata", () => (this.#note.hidden = true));
  }

  async load(from) {
    try {
      await this.#allow();
    } catch {
      return;
    }
    this.video.src = this.api.fileUrl(this.hit.id) + (from > 0 ? `#t=${from}` : "");
  }

  async #allow() {
    const seconds = await this.api.allowFile(this.hit.id);
    if (seconds === null) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.video.isConnected) this.#allow().catch(() => {});
    }, seconds * 500);
  }

  async #failed() {
    const { video } = this;
    const from = video.currentTime || (this.hit.time_s ?? 0);
    try {
      await this.api.checkFile(this.hit.id);
    } catch ({ checkedIn }) {
      if (checkedIn == null || !video.isConnected) return;
      this.#note.hidden = false;
      if (!this.#note.isConnected) video.after(this.#note);
      setTimeout(() => video.isConnected && this.load(from), checkedIn * 1000);
      return;
    }
    // The permission may have run out while the computer slept; a kind that can't be played fails again.
    if (!this.#again || !video.isConnected) return;
    this.#again = false;
    const wasPlaying = !video.paused;
    await this.load(from);
    if (wasPlaying) video.play().catch(() => {});
  }
}
