import type { Ctx } from './context.ts';
import type { Db } from './db/client.ts';
import { isWritable } from './db/writable.ts';
import type { Readiness } from './http/health.ts';
import { withinMs } from './queues/bounded.ts';
import type { Guardian } from './queues/guardian.ts';

const databaseReady = async (db: Db): Promise<string | null> => {
  let writable = false;
  const outcome = await withinMs(
    isWritable(db).then((answer) => (writable = answer)),
    2000,
  );
  if (outcome !== 'done') return 'PostgreSQL does not answer';
  return writable ? null : 'PostgreSQL is read-only';
};

/** Where a process is in its life: it is not ready before all its ports are open, nor once it ends. */
export type Phase = 'starting' | 'running' | 'stopping';

interface Parts {
  readonly ctx: Ctx;
  readonly api: boolean;
  readonly guardian: () => Guardian | null;
  readonly phase: () => Phase;
}

/** An API is ready while it can commit, whatever the queue does; a worker while its queues move. */
export const readinessOf =
  ({ ctx, api, guardian, phase }: Parts) =>
  async (): Promise<Readiness> => {
    const current = phase();
    if (current !== 'running') return { ready: false, checks: { process: current } };
    const database = await databaseReady(ctx.db);
    const queueFaults =
      guardian()?.faults() ??
      ((await withinMs(ctx.queues.ping(), 1000)) === 'done' ? [] : [`${ctx.queues.backend} does not answer`]);
    const queues =
      queueFaults.length === 0 ? 'ok' : api ? `degraded: ${queueFaults.join('; ')}` : queueFaults.join('; ');
    const ready = database === null && (api || queueFaults.length === 0);
    return { ready, checks: { database: database ?? 'ok', queues } };
  };
