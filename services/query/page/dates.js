/** Days and months as people write them. A picture's time is that of its place: it has no zone here. */

import { LANGUAGE } from "./messages.js";

const form = (options) => new Intl.DateTimeFormat(LANGUAGE, { timeZone: "UTC", ...options });

const DAY = form({ weekday: "short", day: "numeric", month: "short" });
const DAY_AND_YEAR = form({ weekday: "short", day: "numeric", month: "short", year: "numeric" });
const DAY_OF_YEAR = form({ day: "numeric", month: "short", year: "numeric" });
const MONTH = form({ month: "long", year: "numeric" });
const SHORT_MONTH = form({ month: "short", year: "numeric" });
const MOMENT = form({ dateStyle: "medium", timeStyle: "short" });
const HERE = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium" });

/** A time as written, less its offset: the day it was where the picture was taken. */
export function wallDay(text) {
  return text ? text.slice(0, 10) : null;
}

/** A day with its year, as `Jul 14, 2019`. */
export function dayAndYear(day) {
  return DAY_OF_YEAR.format(at(day));
}

export function dayName(day) {
  const then = at(day);
  const thisYear = then.getUTCFullYear() === new Date().getFullYear();
  return (thisYear ? DAY : DAY_AND_YEAR).format(then);
}

export function monthName(month) {
  return MONTH.format(at(`${month}-01`));
}

export function shortMonth(month) {
  return SHORT_MONTH.format(at(`${month}-01`));
}

export function wallTime(text) {
  return MOMENT.format(new Date(`${text.slice(0, 19)}Z`));
}

/** A moment's day in this device's zone, as of when something was added or deleted. */
export function localDay(text) {
  return HERE.format(new Date(text));
}

function at(day) {
  return new Date(`${day}T00:00:00Z`);
}
