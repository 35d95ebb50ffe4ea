import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { Ctx } from '../../context.ts';
import { liveTopics, type LiveState, type LiveTopic, readLiveState } from '../../db/live-reads.ts';
import { AppError, messageOf } from '../../errors.ts';
import type { HttpEnv } from '../env.ts';
import { problemResponse } from '../problem.ts';
import { page, stillSignedIn } from '../sessions.ts';

const pollMs = 2000;
const lingerMs = 30_000;
const heartbeatMs = 15_000;
// More pages than anybody looks at; and a part of the server's connections, so that the others are left to events.
const mostOfSession = 32;
const mostInAll = 2000;

type Listener = (topics: readonly LiveTopic[]) => void;

/** The topics whose state is another one now. */
export const changedTopics = (before: LiveState, after: LiveState): LiveTopic[] =>
  liveTopics.filter((topic) => before[topic] !== after[topic]);

/**
 * Asks the database every two seconds while somebody listens, and a little longer, once for all listeners of this process:
 * a reader who goes from page to page finds it at work.
 */
const createPoller = () => {
  const listeners = new Set<Listener>();
  const changedAt = new Map<LiveTopic, number>();
  let running = false;
  let last: LiveState | null = null;
  let knownFrom = Number.POSITIVE_INFINITY;
  let heardUntil = Number.NEGATIVE_INFINITY;

  const take = (state: LiveState, now: number): void => {
    // At first nothing is known of what was before: whoever listens may have missed anything.
    const topics = last === null ? liveTopics : changedTopics(last, state);
    if (last === null) knownFrom = now;
    last = state;
    for (const topic of topics) changedAt.set(topic, now);
    if (topics.length > 0) for (const tell of listeners) tell(topics);
  };

  const poll = async (ctx: Ctx): Promise<void> => {
    while (listeners.size > 0 || ctx.elapsed() - heardUntil < lingerMs) {
      if (listeners.size > 0) heardUntil = ctx.elapsed();
      try {
        take(await readLiveState(ctx.db), ctx.now());
      } catch (error) {
        // The listeners hear of it by what they do not hear; the next round tries again.
        ctx.log.debug({ err: error }, 'live state could not be read');
      }
      await sleep(pollMs, undefined, { ref: false });
    }
    last = null;
    knownFrom = Number.POSITIVE_INFINITY;
  };

  /** What may have changed since a page was made (epoch ms), as far as is known. */
  const missed = (since: number): LiveTopic[] =>
    knownFrom === Number.POSITIVE_INFINITY
      ? []
      : liveTopics.filter((topic) => knownFrom > since || (changedAt.get(topic) ?? 0) > since - pollMs);

  return {
    /** Tells of every change from then on, and at once of those since the listener's page was made (epoch ms). */
    listen: (ctx: Ctx, listener: Listener, since: number): (() => void) => {
      listeners.add(listener);
      const topics = missed(since);
      if (topics.length > 0) listener(topics);
      if (!running) {
        running = true;
        void poll(ctx).finally(() => {
          running = false;
        });
      }
      return () => listeners.delete(listener);
    },
  };
};

/** Waits; false when the listener went away meanwhile. */
const rest = (ms: number, signal: AbortSignal): Promise<boolean> =>
  sleep(ms, true, { ref: false, signal }).catch(() => false);

/** Counts streams, so that one browser cannot take every connection. */
const createPlaces = () => {
  const taken = new Map<string, number>();
  let all = 0;
  return {
    /** @returns what gives the place back; null where there is none left. */
    take: (session: string): (() => void) | null => {
      const own = taken.get(session) ?? 0;
      if (own >= mostOfSession || all >= mostInAll) return null;
      taken.set(session, own + 1);
      all += 1;
      return () => {
        const left = (taken.get(session) ?? 1) - 1;
        if (left === 0) taken.delete(session);
        else taken.set(session, left);
        all -= 1;
      };
    },
  };
};

/** A listener that writes one message at a time: what changes before a slow reader took the last is told together. */
const teller = (write: (topics: readonly LiveTopic[]) => Promise<unknown>): Listener => {
  const waiting = new Set<LiveTopic>();
  let busy = false;
  const tellAll = async (): Promise<void> => {
    busy = true;
    while (waiting.size > 0) {
      const topics = [...waiting];
      waiting.clear();
      await write(topics);
    }
    busy = false;
  };
  return (topics) => {
    for (const topic of topics) waiting.add(topic);
    if (!busy) void tellAll();
  };
};

const tooMany = (): AppError =>
  new AppError('rate_limited', 'Too many pages follow what changes', { retryAfterSeconds: 10 });

interface Shared {
  readonly poller: ReturnType<typeof createPoller>;
  readonly places: ReturnType<typeof createPlaces>;
}

/** When the page that listens was made (epoch ms), as it says itself; without a word of it, now. */
const madeAt = (c: Context<HttpEnv>): number => {
  const since = Number(c.req.query('since') ?? Number.NaN);
  return Number.isFinite(since) ? since : c.var.ctx.now();
};

const answer = (c: Context<HttpEnv>, { poller, places }: Shared) => {
  const { ctx, session } = c.var;
  // Nobody reads the stream then, so that it would never end.
  if (c.req.method === 'HEAD') return c.body(null);
  const leave = places.take(session?.id ?? '');
  if (leave === null) return problemResponse(c, tooMany());
  c.header('X-Accel-Buffering', 'no');
  return streamSSE(c, async (stream) => {
    const gone = new AbortController();
    stream.onAbort(() => gone.abort());
    const stop = poller.listen(
      ctx,
      teller((topics) => stream.writeSSE({ event: 'change', data: JSON.stringify({ topics }) })),
      madeAt(c),
    );
    try {
      await stream.writeSSE({ event: 'hello', data: '{}', retry: 5000 });
      // A session that ended, or lost its role, hears nothing more.
      while ((await rest(heartbeatMs, gone.signal)) && (await stillSignedIn(c))) {
        await stream.writeSSE({ event: 'beat', data: '{}' });
      }
    } catch (error) {
      // Not thrown on: the reader would be told the words of the error.
      ctx.log.debug({ why: messageOf(error) }, 'a stream of the console ended');
    } finally {
      stop();
      leave();
    }
  });
};

/** `GET /console/live`: server-sent events that name the topics which changed; the page then fetches itself again. */
export const liveRoutes = () => {
  const shared = { poller: createPoller(), places: createPlaces() };
  return new Hono<HttpEnv>().get('/console/live', page({ role: 'viewer', scope: 'org' }), (c) => answer(c, shared));
};
