// Ids that sort by time.

/** Makes a UUIDv7 (RFC 9562 section 5.7). */
export function newId(now: number = Date.now()): string {
  const time = now.toString(16).padStart(12, "0");
  const random = [...crypto.getRandomValues(new Uint8Array(19))];
  // a zero becomes any digit, the eight one of the four that say which kind of id this is
  const rest = "000-8000-000000000000".replace(/[08]/g, (digit) => {
    const byte = random.pop() ?? 0;
    return (digit === "8" ? 8 | (byte & 3) : byte & 15).toString(16);
  });
  return `${time.slice(0, 8)}-${time.slice(8)}-7${rest}`;
}
