import type { Ctx } from '../context.ts';
import { compactCounts } from '../db/compact.ts';
import type { Handlers } from '../queues/catalog.ts';
import { applyEvent } from './apply-event.ts';
import { groupApplier } from './apply-group.ts';

/** The pipe behind the queues: every job, and what runs it. */
export const handlersFor = (ctx: Ctx): Handlers => ({
  'apply-group': groupApplier(ctx),
  'apply-event': (payload, meta) => applyEvent(ctx, payload, meta),
  'compact-counts': async () => {
    await compactCounts(ctx.db);
    return { kind: 'done' };
  },
});
