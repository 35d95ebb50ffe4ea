// The worker side of a comparison: `peer-worker.ts pg-boss | graphile-worker`. Applies events with the product's own transaction.
import { Hono } from 'hono';
import { keepYoung } from '../../src/heap.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { healthRoutes } from '../../src/http/health.ts';
import { listen } from '../../src/http/server.ts';
import { applyScope } from '../../src/processors/apply.ts';
import { groupCommit } from '../../src/queues/group-commit.ts';
import { benchCtx } from './bench-ctx.ts';
import { loadGraphile, startBoss } from './peer-queues.ts';

keepYoung();
const ctx = benchCtx();
const url = ctx.config.DATABASE_URL ?? '';
const largest = ctx.config.CERT_EVENT_BATCH_SIZE;
const lanes = 3;

const apply = async (ids: readonly string[]): Promise<void> => {
  const { failed } = await applyScope(ctx, { kind: 'group', ids });
  if (failed.length > 0) throw new Error(`${failed.length} events could not be applied`);
};

/** Batches as pg-boss fetches them, woken by NOTIFY and going on at once while batches come back full. */
const workWithBoss = async (): Promise<void> => {
  const boss = await startBoss(url);
  const options = {
    batchSize: largest,
    pollingIntervalSeconds: 0.5,
    localConcurrency: lanes,
    burstWhenBatchFull: true,
  };
  await boss.work('apply', options, (jobs) => apply(jobs.map(({ data }) => data.id)));
};

/** One task per job is all graphile-worker knows, so tasks that run at the same time share a transaction. */
const workWithGraphile = async (): Promise<void> => {
  const shared = groupCommit<string, true>(
    { maxSize: largest, limit: 100_000, lanes, patienceMs: 60_000 },
    async (ids) => {
      await apply(ids);
      return ids.map(() => true);
    },
  );
  const worker = {
    connectionString: url,
    concurrentJobs: largest,
    maxPoolSize: 12,
    localQueue: { size: 2 * largest },
    completeJobBatchDelay: 5,
  };
  const { run } = await loadGraphile();
  await run({
    preset: { worker },
    noHandleSignals: true,
    taskList: { apply: ({ id }: { id: string }) => shared.submit(id) },
  });
};

await (process.argv[2] === 'pg-boss' ? workWithBoss() : workWithGraphile());
const health = new Hono<HttpEnv>().route(
  '/',
  healthRoutes(
    () => Promise.resolve({ ready: true, checks: {} }),
    () => Date.now(),
  ),
);
const { NOTAFTER_HOST: host, CERT_METRICS_PORT: port } = ctx.config;
await listen(health, { host, port, variable: 'CERT_METRICS_PORT', elapsed: ctx.now });
process.once('SIGTERM', () => process.exit(0));
