// Text of others, made safe to look at.

/** What a reader can not see (control, bidirectional and other invisible characters) stands as its code. The ranges are those of the server's text_visible(). */
export const visible = (s: string | null | undefined): string | null =>
  s?.replace(/[\0-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}}`) ?? null;

/** The same for every text in an object. */
export const visibleAll = <T,>(o: T): T => JSON.parse(JSON.stringify(o), (_, v: unknown) => (typeof v === "string" ? visible(v) : v)) as T;
