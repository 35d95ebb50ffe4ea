import type { Context as Hono } from 'hono';
import { RateLimiterPostgres, RateLimiterRes } from 'rate-limiter-flexible';
import type { Ctx } from '../context.ts';
import { attemptsStore, attemptsTable } from '../db/access-attempts.ts';
import { tokenAddresses } from '../db/sessions.ts';
import { AppError } from '../errors.ts';
import { addressOf, placeOf } from './address.ts';
import type { HttpEnv } from './env.ts';
import { retryAfter } from './failure-limits.ts';

const quarterHour = 900;
const hour = 3600;
// People mistype; what guesses does so all day. An account is tried from many places before anybody else is kept waiting.
const limits = {
  address: { points: 10, duration: quarterHour },
  account: { points: 100, duration: quarterHour },
  noted: { points: 5, duration: hour },
  notedInAll: { points: 500, duration: hour },
  // Of somebody who is known: enough to see what was tried.
  denied: { points: 60, duration: hour },
} as const;

const open = (ctx: Ctx) => {
  const limiter = (keyPrefix: keyof typeof limits) =>
    new RateLimiterPostgres({
      ...limits[keyPrefix],
      keyPrefix,
      storeClient: attemptsStore(ctx.db),
      storeType: 'client',
      tableName: attemptsTable,
      tableCreated: true,
    });
  return {
    address: limiter('address'),
    account: limiter('account'),
    noted: limiter('noted'),
    notedInAll: limiter('notedInAll'),
    denied: limiter('denied'),
  };
};

const opened = new WeakMap<Ctx, ReturnType<typeof open>>();

const limitersOf = (ctx: Ctx): ReturnType<typeof open> => {
  const known = opened.get(ctx);
  if (known !== undefined) return known;
  const made = open(ctx);
  opened.set(ctx, made);
  return made;
};

/**
 * What a token tells about whose it is: those made at run time have a public part in front. All others count as one account,
 * because a wrong one says nothing about which it was meant to be.
 */
const accountOf = (token: string): string => /^nat_[\w-]{8}(?=_)/.exec(token)?.[0] ?? 'configured';

/** Counts an attempt; resolves to the seconds to wait where it is one too many, else to null. */
const take = async (limiter: RateLimiterPostgres, key: string): Promise<number | null> => {
  try {
    await limiter.consume(key);
    return null;
  } catch (limited) {
    if (limited instanceof RateLimiterRes) return retryAfter(limited);
    throw limited;
  }
};

/**
 * Counts an attempt for an account. Where somebody signed in with a token lately it is let through all the same: else whoever
 * guesses from many addresses would keep the owners out.
 */
const takeAccount = async (c: Hono<HttpEnv>, token: string, place: string): Promise<number | null> => {
  const { ctx } = c.var;
  const wait = await take(limitersOf(ctx).account, accountOf(token));
  if (wait === null) return null;
  return (await tokenAddresses(ctx.db)).some((address) => placeOf(address) === place) ? null : wait;
};

/** An attempt to sign in that was let through. */
export interface Attempt {
  /** It was a good one, or came to nothing through no fault of who tried: it does not count. */
  readonly forgiven: () => Promise<void>;
}

/**
 * Counts an attempt to sign in before it is looked at, so that many at once are not let through together. Without a token it
 * counts for the address alone.
 *
 * @throws AppError `rate_limited`
 */
export const beginAttempt = async (c: Hono<HttpEnv>, token: string | null): Promise<Attempt> => {
  const { address, account } = limitersOf(c.var.ctx);
  const place = placeOf(addressOf(c));
  const wait = (await take(address, place)) ?? (token === null ? null : await takeAccount(c, token, place));
  if (wait !== null)
    throw new AppError('rate_limited', 'Too many attempts to sign in: wait, then try again', {
      retryAfterSeconds: wait,
    });
  return {
    forgiven: async () => {
      await address.reward(place);
      if (token !== null) await account.reward(accountOf(token));
    },
  };
};

/** Whether one more change that somebody may not make is noted in the audit log: so many an hour of each actor. */
export const mayNoteDenied = async ({ var: { ctx, actor } }: Hono<HttpEnv>): Promise<boolean> =>
  (await take(limitersOf(ctx).denied, actor.name)) === null;

/** Whether one more refusal is noted in the audit log: a few an hour from one place, and a bounded number in all. */
export const mayNote = async (c: Hono<HttpEnv>): Promise<boolean> => {
  const { noted, notedInAll } = limitersOf(c.var.ctx);
  return (await take(noted, placeOf(addressOf(c)))) === null && (await take(notedInAll, 'all')) === null;
};
