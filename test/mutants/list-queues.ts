import type { Mutant } from './mutant.ts';

const worker = 'test/faults/worker.test.ts';
const redis = 'test/faults/redis.test.ts';
const memory = 'test/faults/memory.test.ts';

/** Queues that lose, forget, stall or go deaf. */
export const queueMutants: readonly Mutant[] = [
  {
    name: 'no-reconciler',
    fault: 'nobody queues again what no queue carries',
    file: 'src/queues/guardian.ts',
    find: '  await reconcile(false);\n',
    replace: '',
    suite: { file: 'test/faults/api.test.ts', only: 'leaves them to a reconciler that was running all along' },
  },
  {
    name: 'no-epoch',
    fault: 'a store that has lost its memory is not noticed',
    file: 'src/queues/store.ts',
    find: "return epoch === field(info, 'run_id') ? 'kept' : 'doubtful';",
    replace: "return epoch === field(info, 'run_id') || epoch !== '' ? 'kept' : 'doubtful';",
    suite: { file: memory, only: 'that is flushed has what it carried queued again at once' },
  },
  {
    name: 'epoch-without-run-id',
    fault: 'a store that was restored from an older copy passes for the one that was known',
    file: 'src/queues/store.ts',
    find: "return epoch === field(info, 'run_id') ? 'kept' : 'doubtful';",
    replace: "return epoch !== null && info !== '' ? 'kept' : 'doubtful';",
    suite: { file: memory, only: 'restored from an older copy has what it carried queued again at once' },
  },
  {
    name: 'long-locks',
    fault: 'a killed worker keeps its jobs for a minute',
    file: 'src/queues/workers.ts',
    find: 'lockDuration: 5000, stalledInterval: 2500,',
    replace: 'lockDuration: 30_000, stalledInterval: 30_000,',
    suite: { file: worker, only: 'before it has read anything leaves its job to another within ten seconds' },
  },
  {
    name: 'stalls-give-up',
    fault: 'a job whose worker is killed twice is given up',
    file: 'src/queues/workers.ts',
    find: 'maxStalledCount: 1_000_000',
    replace: 'maxStalledCount: 1',
    suite: { file: worker, only: 'again and again on the same job does not make the job give up' },
  },
  {
    name: 'deaf-is-ready',
    fault: 'a worker that gets nothing done counts as well',
    file: 'src/queues/guardian.ts',
    find: 'return queueNames.filter((queue) => elapsed() - movedAt(queue) > deafAfterMs);',
    replace: 'return queueNames.filter((queue) => elapsed() - movedAt(queue) > deafAfterMs * 1000);',
    suite: { file: 'src/queues/guardian.test.ts' },
  },
  {
    name: 'evicting-redis',
    fault: 'a Redis that evicts keys is used',
    file: 'src/queues/store.ts',
    find: "if (policy !== '' && policy !== 'noeviction') {",
    replace: "if (policy === 'noeviction' && policy.length === 0) {",
    suite: { file: 'test/faults/start.test.ts', only: 'a Redis that evicts keys' },
  },
  {
    name: 'unbounded-wait',
    fault: 'a wait for something that may hang has no end',
    file: 'src/queues/bounded.ts',
    find: "const timer = setTimeout(() => resolve('late'), ms);",
    replace: "const timer = setTimeout(() => resolve('late'), ms * 1000);",
    suite: { file: 'src/queues/group-commit.test.ts', only: 'lets nobody wait longer than its patience' },
  },
  {
    name: 'cut-groups',
    fault: 'of a group that the store has lost only the part on one page is queued again',
    file: 'src/processors/reconcile.ts',
    find: 'const isRest = whole.has(groupId);',
    replace: 'const isRest = false;',
    suite: { file: 'test/integration/reconcile.test.ts', only: 'large groups that a store has lost' },
  },
  {
    name: 'dead-letters-unshown',
    fault: 'dead letters that the queue has forgotten are not shown again',
    file: 'src/processors/reconcile.ts',
    find: 'await showDead(ctx, { from: all ? 0 : shownUntil, before });',
    replace: 'if (!all) await showDead(ctx, { from: shownUntil, before });',
    suite: { file: redis, only: 'that is flushed shows the dead letters of the ledger again' },
  },
  {
    name: 'left-registrations',
    fault: 'events whose registration died half way stay failed',
    file: 'src/processors/reconcile.ts',
    find: 'let requeued = await reopenLeft(ctx, started - graceMs);',
    replace: 'let requeued = 0;',
    suite: {
      file: 'test/integration/pipe.test.ts',
      only: 'is applied also when the registration of its domain did not live to say so',
    },
  },
  {
    name: 'opened-over-and-over',
    fault: 'events that a registration opened again and that wait for their turn are opened with every walk',
    file: 'src/db/reopen.ts',
    find: "and (e.status = 'failed' or e.next_retry_at is not null)",
    replace: '',
    suite: { file: 'test/integration/reconcile.test.ts', only: 'is reopened once when its domain is registered' },
  },
  {
    name: 'own-clock',
    fault: 'a process goes by the clock of its host',
    file: 'src/app.ts',
    find: 'now: clock.now,',
    replace: 'now: () => Date.now(),',
    suite: { file: 'test/faults/clock.test.ts' },
  },
];
