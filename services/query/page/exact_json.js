/** JSON whose whole numbers keep all digits: those beyond 53 bits are BigInts, not other numbers. */

// A character of nobody's: what begins with it is a number on its way through JSON.
const MARK = "\uE000";
const SUSPECT = /[:,[]\s*-?\d{16,}\s*[,\]}]/;
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g;
const WHOLE = /^-?\d{16,}$/;
const MARKED = new RegExp(`"${MARK}(-?\\d+)"`, "g");

export function parse(text) {
  // Almost never is there one, and then nothing is looked at twice.
  if (!SUSPECT.test(text)) return JSON.parse(text);
  const marked = text.replace(TOKEN, (token) => (isLong(token) ? `"${MARK}${token}"` : token));
  return JSON.parse(marked, (_, value) =>
    typeof value === "string" && value.startsWith(MARK) && isLong(value.slice(1))
      ? BigInt(value.slice(1))
      : value,
  );
}

export function stringify(value) {
  const marked = JSON.stringify(value, (_, one) =>
    typeof one === "bigint" ? `${MARK}${one}` : one,
  );
  return marked?.replace(MARKED, "$1");
}

/** The number that a text reads as, exactly; NaN where it reads as none. */
export function numberOf(text) {
  const given = String(text).trim();
  if (given === "") return NaN;
  return isLong(given) ? BigInt(given) : Number(given);
}

export function isNumber(value) {
  return typeof value === "bigint" || Number.isFinite(value);
}

function isLong(text) {
  return WHOLE.test(text) && !Number.isSafeInteger(Number(text));
}
