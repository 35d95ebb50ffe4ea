import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';
import { signEvent } from '../../src/lifecycle/signature.ts';
import { queueNames } from '../../src/queues/catalog.ts';
import { openQueues, type OpenQueues } from '../../src/queues/open.ts';
import { postgresStore, redisStore } from '../../src/queues/store.ts';
import { openSite, type Site } from '../faults/site.ts';
import { admin, type Answer, type EventBody, registerMany } from '../support/driver.ts';
import type { App } from '../support/process.ts';
import type { Backend } from '../support/site.ts';
import { waitFor } from '../support/wait.ts';

const ingestToken = 'ingest-token-of-the-test';
const secretOf = (turn: number): string => `secret number ${turn}`;
const keysAt = (turn: number): string => [turn, turn + 1].map((one) => `certbot:eu=${secretOf(one)}`).join(',');

/** The product's processes on servers of their own, and all that can befall them. */
export interface PipeWorld {
  readonly site: Site;
  readonly domains: readonly string[];
  /** Sends a signed event until somebody answers. */
  send(api: number, body: EventBody): Promise<Answer>;
  admin(method: string, path: string, body?: unknown): Promise<Answer>;
  kill(role: 'serve' | 'work', index: number): Promise<void>;
  /** Every job is gone. */
  flush(): Promise<void>;
  /** The queue's store is as it was at the last `keep`. Redis only. */
  rollBack(): Promise<void>;
  keep(): void;
  /** Everything that runs by the clock is asked for once more. */
  tick(): Promise<void>;
  pause(paused: boolean): Promise<void>;
  /** New signing keys, one API after the other; the sender changes to the key that all know. */
  rotate(): Promise<void>;
  close(): Promise<void>;
}

const signed = (body: string, secret: string): Record<string, string> => {
  const at = String(Math.floor(Date.now() / 1000));
  return {
    'content-type': 'application/json',
    'x-cert-event-token': ingestToken,
    'x-cert-timestamp': at,
    'x-cert-signature': signEvent(secret, at, Buffer.from(body)),
  };
};

const queuesOf = (site: Site, backend: Backend): { queues: OpenQueues; close: () => Promise<unknown> } => {
  const quiet = (): undefined => undefined;
  const store =
    backend === 'redis' ? redisStore(site.redis.url, '{notafter}', quiet) : postgresStore(site.databaseUrl, 2, quiet);
  const queues = openQueues(store, 6);
  return { queues, close: () => Promise.all([queues.close(), store.close()]) };
};

export const openPipeWorld = async (backend: Backend): Promise<PipeWorld> => {
  const store: Readonly<Record<string, string>> = backend === 'redis' ? {} : { REDIS_URL: '' };
  const site = await openSite({ redis: { appendonly: true }, env: store });
  let turn = 0;
  const start = (role: 'serve' | 'work'): Promise<App> =>
    site.start(role, { env: { CERT_EVENT_SOURCE_KEYS: keysAt(turn) } });
  const running = {
    serve: await Promise.all([start('serve'), start('serve')]),
    work: await Promise.all([start('work'), start('work')]),
  };
  const domains = await registerMany(running.serve[0].url, 60, `${backend}.example`);
  const appendOnly = path.join(site.redis.dir, 'appendonlydir');
  const copy = path.join(site.redis.dir, 'kept');
  const api = (index: number): App => running.serve[index % 2] ?? running.serve[0];
  const withQueues = async (use: (queues: OpenQueues) => Promise<unknown>): Promise<void> => {
    const { queues, close } = queuesOf(site, backend);
    await use(queues);
    await close();
  };
  const board = (queues: OpenQueues) => queues.board({ readOnly: false, eventUrl: (id) => id });
  const keep = (): void => {
    rmSync(copy, { recursive: true, force: true });
    cpSync(appendOnly, copy, { recursive: true });
  };
  keep();
  return {
    site,
    domains,
    send: (index, body) => {
      const text = JSON.stringify(body);
      return waitFor(
        async () => {
          const response = await fetch(`${api(index).url}/v1/domains/cert-events`, {
            method: 'POST',
            headers: signed(text, secretOf(turn + 1)),
            body: text,
            signal: AbortSignal.timeout(20_000),
          });
          // Every answer of ingest is a JSON object.
          const answer = (await response.json()) as Readonly<Record<string, unknown>>;
          return response.status === 503 ? null : { status: response.status, headers: response.headers, body: answer };
        },
        { timeoutMs: 60_000, what: 'an answer' },
      );
    },
    admin: (method, at, body) => admin(api(0).url, method, at, body),
    kill: async (role, index) => {
      await running[role][index % 2]?.kill9();
      running[role][index % 2] = await start(role);
    },
    flush: async () => {
      if (backend === 'redis') await site.ask((redis) => redis.flushall());
      else await site.sql`delete from bullmq.job`;
    },
    rollBack: async () => {
      await site.redis.kill9();
      rmSync(appendOnly, { recursive: true });
      cpSync(copy, appendOnly, { recursive: true });
      await site.redis.restart();
    },
    keep,
    tick: () =>
      withQueues(async (queues) => {
        await queues.schedule();
        queues.kickSettle();
        queues.kickReplay();
        for (const name of queueNames) await queues.canary(name, 'model');
        await queues.ping();
      }),
    pause: (paused) =>
      withQueues(async (queues) => {
        const events = board(queues).find((queue) => queue.getName() === 'cert-events');
        await (paused ? events?.pause() : events?.resume());
      }),
    rotate: async () => {
      turn += 1;
      for (const index of [0, 1]) {
        await running.serve[index]?.stop();
        running.serve[index] = await start('serve');
      }
    },
    close: () => site.close(),
  };
};
