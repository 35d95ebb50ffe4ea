import { v7 as uuidv7 } from 'uuid';
import type { Ctx } from '../context.ts';
import { appendEvents, type Appended, type NewEvent } from '../db/append.ts';
import { asUnavailable, isDataFault } from '../db/client.ts';
import { reopenEvent } from '../db/reopen.ts';
import { addSignatureFailures } from '../db/source-failures.ts';
import { AppError, messageOf } from '../errors.ts';
import { withinMs } from '../queues/bounded.ts';
import { groupCommit } from '../queues/group-commit.ts';
import type { IngestSink } from './ingest.ts';
import { seldom } from './seldom.ts';

const enqueueMs = 500;
// More than these would only pile up behind a queue that does not answer; the reconciler takes over.
const mostUnanswered = 64;
const speakMs = 10_000;

export interface RunningSink extends IngestSink {
  /** Resolves when every accepted event is committed and its group handed to the queue, or given to the reconciler. */
  readonly drain: () => Promise<void>;
}

/** Hands committed groups to the queue without anybody waiting for it. */
const groupQueue = (ctx: Ctx) => {
  const open = new Set<Promise<void>>();
  const speak = seldom(speakMs, ctx.elapsed);
  const hand = async (groupId: string, ids: readonly string[]): Promise<void> => {
    // failpoint: ingest.before-enqueue
    const outcome = await withinMs(ctx.queues.enqueueGroup(groupId, ids), enqueueMs);
    // failpoint: ingest.enqueued
    if (outcome === 'done') return;
    ctx.metrics.enqueueFailures.inc();
    const alsoSince = speak();
    if (alsoSince === null) return;
    const why = outcome === 'late' ? 'no answer in time' : messageOf(outcome);
    ctx.log.warn({ groupId, events: ids.length, why, alsoSince }, 'a committed group is left to the reconciler');
  };
  return {
    push: (groupId: string, ids: readonly string[]): void => {
      if (open.size >= mostUnanswered) {
        ctx.metrics.enqueueFailures.inc();
        return;
      }
      const push = hand(groupId, ids).finally(() => open.delete(push));
      open.add(push);
    },
    idle: async (): Promise<void> => {
      await Promise.all(open);
    },
  };
};

/** Signature failures of known senders, counted here and written once a second. */
const failureCounter = (ctx: Ctx) => {
  let counts = new Map<string, number>();
  const flush = async (): Promise<void> => {
    if (counts.size === 0) return;
    const taken = counts;
    counts = new Map();
    try {
      await addSignatureFailures(ctx.db, taken);
    } catch (error) {
      for (const [subject, n] of taken) counts.set(subject, (counts.get(subject) ?? 0) + n);
      ctx.log.warn({ err: error }, 'signature failures are not written yet');
    }
  };
  const timer = setInterval(() => void flush(), 1000);
  timer.unref();
  return {
    add: (subject: string): void => {
      counts.set(subject, (counts.get(subject) ?? 0) + 1);
    },
    stop: async (): Promise<void> => {
      clearInterval(timer);
      await flush();
    },
  };
};

/** Writes a group; when one event's data is refused by the database, each is written alone and only that one is told. */
const commitGroup = async (
  ctx: Ctx,
  group: readonly NewEvent[],
  onCommitted: (groupId: string, ids: string[]) => void,
) => {
  const groupId = uuidv7();
  const started = ctx.elapsed();
  // failpoint: ingest.before-commit
  const results = await appendEvents(ctx.db, group, groupId);
  // failpoint: ingest.committed
  const created = results.flatMap((result) => (result.kind === 'created' ? [result.id] : []));
  if (created.length > 0) onCommitted(groupId, created);
  ctx.log.debug(
    { groupId, events: group.length, created: created.length, ms: Math.round(ctx.elapsed() - started) },
    'committed',
  );
  return results;
};

type Settled = Appended | { readonly kind: 'refused'; readonly error: unknown };

export const ingestSink = (ctx: Ctx): RunningSink => {
  const { config } = ctx;
  const queue = groupQueue(ctx);
  const failures = failureCounter(ctx);
  const commit = async (group: readonly NewEvent[]): Promise<readonly Settled[]> => {
    try {
      return await commitGroup(ctx, group, queue.push);
    } catch (error) {
      if (!isDataFault(error)) throw asUnavailable(error);
      if (group.length === 1)
        return [
          {
            kind: 'refused',
            error: new AppError('bad_request', 'The database cannot store this event', { cause: error }),
          },
        ];
      const alone = [];
      for (const event of group) alone.push(...(await commit([event])));
      return alone;
    }
  };
  const commits = groupCommit(
    { maxSize: config.CERT_EVENT_BATCH_SIZE, limit: config.CERT_INGEST_QUEUE_LIMIT, lanes: 2 },
    commit,
  );
  return {
    commits: {
      submit: async (event) => {
        const settled = await commits.submit(event);
        if (settled.kind === 'refused') throw settled.error;
        return settled;
      },
      idle: commits.idle,
    },
    retried: async (id) => {
      const result = await reopenEvent(ctx.db, {
        id,
        actor: 'source',
        reason: 'sent again',
        force: false,
        resetRetry: true,
        now: ctx.now(),
      });
      if (result.kind !== 'reopened') return;
      const { generation, retry_count: tries } = result.event;
      // failpoint: ingest.reopened
      await withinMs(ctx.queues.enqueueEvents([{ id, generation, tries, delayMs: 0 }]), enqueueMs);
    },
    badSignature: failures.add,
    drain: async () => {
      await commits.idle();
      await queue.idle();
      await failures.stop();
    },
  };
};
