/** The trace that a call begins, as W3C Trace Context writes it; the services' logs name it. */

export function traceparent() {
  return `00-${hex(16)}-${hex(8)}-01`;
}

function hex(bytes) {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
