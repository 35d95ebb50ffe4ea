import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { Ctx } from '../../context.ts';
import { liveTopics, type LiveState, type LiveTopic, readLiveState } from '../../db/live-reads.ts';
import type { HttpEnv } from '../env.ts';
import { page, stillSignedIn } from '../sessions.ts';

const pollMs = 2000;
const heartbeatMs = 15_000;

type Listener = (topics: readonly LiveTopic[]) => void;

/** The topics whose state is another one now. */
export const changedTopics = (before: LiveState, after: LiveState): LiveTopic[] =>
  liveTopics.filter((topic) => before[topic] !== after[topic]);

/** Asks the database every two seconds while somebody listens: once for all listeners of this process. */
const createPoller = () => {
  const listeners = new Set<Listener>();
  let running = false;

  const poll = async (ctx: Ctx): Promise<void> => {
    let last: LiveState | null = null;
    while (listeners.size > 0) {
      try {
        const state = await readLiveState(ctx.db);
        const topics = last === null ? [] : changedTopics(last, state);
        last = state;
        if (topics.length > 0) for (const tell of listeners) tell(topics);
      } catch (error) {
        // The listeners hear of it by what they do not hear; the next round tries again.
        ctx.log.debug({ err: error }, 'live state could not be read');
      }
      await sleep(pollMs, undefined, { ref: false });
    }
  };

  return {
    listen: (ctx: Ctx, listener: Listener): (() => void) => {
      listeners.add(listener);
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

const answer = (c: Context<HttpEnv>, poller: ReturnType<typeof createPoller>) => {
  const { ctx } = c.var;
  c.header('X-Accel-Buffering', 'no');
  return streamSSE(
    c,
    async (stream) => {
      const gone = new AbortController();
      stream.onAbort(() => gone.abort());
      const stop = poller.listen(ctx, (topics) => {
        void stream.writeSSE({ event: 'change', data: JSON.stringify({ topics }) });
      });
      try {
        await stream.writeSSE({ event: 'hello', data: '{}', retry: 5000 });
        // A session that ended, or lost its role, hears nothing more.
        while ((await rest(heartbeatMs, gone.signal)) && (await stillSignedIn(c))) {
          await stream.writeSSE({ event: 'beat', data: '{}' });
        }
      } finally {
        stop();
      }
    },
    (error) => {
      ctx.log.debug({ err: error }, 'a stream of the console ended');
      return Promise.resolve();
    },
  );
};

/** `GET /console/live`: server-sent events that name the topics which changed; the page then fetches itself again. */
export const liveRoutes = () => {
  const poller = createPoller();
  return new Hono<HttpEnv>().get('/console/live', page({ role: 'viewer', scope: 'org' }), (c) => answer(c, poller));
};
