/**
 * What became of one try. `sent`: the receiver took it. `retry`: the same notice may pass later. `refused`: it never can as
 * things are (4xx but 408 and 429, a forbidden address, wrong settings). `status` is the HTTP or SMTP status, null without an
 * answer; `snippet` the beginning of the answer, cleaned, at most 500 characters. Neither it nor `error` holds a secret.
 */
export type Delivery =
  | { readonly kind: 'sent'; readonly status: number | null; readonly snippet: string | null }
  | {
      readonly kind: 'retry';
      readonly status: number | null;
      readonly snippet: string | null;
      readonly error: string;
      readonly retryAfterMs: number | null;
    }
  | {
      readonly kind: 'refused';
      readonly status: number | null;
      readonly snippet: string | null;
      readonly error: string;
    };

export interface AfterTry {
  /** `failed` will be tried again at `nextAttemptAt`; `dead` only when an operator requeues it. */
  readonly status: 'sent' | 'failed' | 'dead';
  /** Epoch ms; null unless `failed`. */
  readonly nextAttemptAt: number | null;
}

/** Tries after which a notice is a dead letter. */
export const maxDeliveryTries = 5;
const minute = 60_000;
const longestWaitMs = 60 * minute;
const longestRetryAfterMs = 24 * 60 * minute;

/**
 * Decides what follows a try: 2^n minutes after the n-th (2, 4, 8, 16) up to an hour, spread by 10 % either way. A receiver's
 * Retry-After is kept to, at most a day; a shorter one than our own wait counts for the first two tries only, so that a busy
 * receiver does not use them all up within seconds.
 *
 * @param tries tries made, this one included.
 * @param now epoch ms.
 * @param random from 0 to 1.
 */
export const afterTry = (tries: number, delivery: Delivery, now: number, random: number): AfterTry => {
  if (delivery.kind === 'sent') return { status: 'sent', nextAttemptAt: null };
  if (delivery.kind === 'refused' || tries >= maxDeliveryTries) return { status: 'dead', nextAttemptAt: null };
  const own = Math.min(minute * 2 ** Math.max(1, tries), longestWaitMs) * (0.9 + 0.2 * random);
  return { status: 'failed', nextAttemptAt: now + Math.round(waitFor(tries, own, delivery.retryAfterMs, random)) };
};

const waitFor = (tries: number, own: number, retryAfterMs: number | null, random: number): number => {
  if (retryAfterMs === null) return own;
  const asked = Math.min(Math.max(retryAfterMs, 1000), longestRetryAfterMs);
  // Spread only to later: never sooner than asked for.
  const spread = Math.min(asked * (1 + 0.1 * random), longestRetryAfterMs);
  return tries <= 2 ? spread : Math.max(own, spread);
};

/** Reads Retry-After, seconds or an HTTP date (RFC 9110, section 10.2.3), as milliseconds from `now`; null when it is neither. */
export const parseRetryAfter = (header: string | null, now: number): number | null => {
  if (header === null) return null;
  const text = header.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  // An HTTP date begins with the name of a day; Date.parse alone would take `-5` or `1.5` for dates.
  if (!/^[A-Z][a-z]{2,8},? /.test(text)) return null;
  const date = Date.parse(text);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
};
