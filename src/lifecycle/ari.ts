import * as v from 'valibot';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const unsaid = 6 * hour;
const afterFailure = hour;

/** What a CA says about when to renew a certificate (RFC 9773). Times are epoch ms. */
export type RenewalInfo =
  | { readonly kind: 'window'; readonly endsAt: number; readonly retryAfterMs: number | null }
  /** Its directory names no place to ask. */
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly error: string; readonly retryAfterMs: number | null };

/** Longest time without an answer from the CA: a suggestion to renew at once, after a revocation, has to arrive. */
const clampWait = (ms: number): number => Math.max(minute, Math.min(day, ms));

/** When the CA is asked again (epoch ms): when it said, but in a minute at the soonest and a day at the latest. */
export const askAgainAt = (info: RenewalInfo, now: number): number => {
  switch (info.kind) {
    case 'none':
      return now + day;
    case 'window':
      return now + clampWait(info.retryAfterMs ?? unsaid);
    case 'failed':
      return now + clampWait(info.retryAfterMs ?? afterFailure);
  }
};

const time = v.pipe(
  v.string(),
  v.isoTimestamp(),
  v.transform((text) => Date.parse(text)),
);
const window = v.object({ suggestedWindow: v.object({ start: time, end: time }) });
const directory = v.object({ renewalInfo: v.optional(v.string()) });

/** End of the suggested window in an answer (RFC 9773, section 4.2); null when the answer does not hold one. */
export const windowEndOf = (body: unknown): number | null => {
  const parsed = v.safeParse(window, body);
  if (!parsed.success) return null;
  const { start, end } = parsed.output.suggestedWindow;
  return start < end ? end : null;
};

/** Where a directory (RFC 8555, section 7.1.1) says that renewal information is; null: nowhere; undefined: it is no directory. */
export const renewalInfoUrlOf = (body: unknown): string | null | undefined => {
  const parsed = v.safeParse(directory, body);
  return parsed.success ? (parsed.output.renewalInfo ?? null) : undefined;
};
