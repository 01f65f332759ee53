import { createHash, timingSafeEqual } from "node:crypto";

/** True when the header `Authorization` carries the token; takes the same time whatever it carries. */
export function hasToken(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer +(.+)$/i.exec(authorization ?? "")?.[1] ?? "";
  return timingSafeEqual(digest(given), digest(token));
}

/** Of one length, whatever is compared. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
