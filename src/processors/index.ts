import type { Ctx } from '../context.ts';
import { compactCounts } from '../db/compact.ts';
import type { Handlers } from '../queues/catalog.ts';
import { applyEvent } from './apply-event.ts';
import { groupApplier } from './apply-group.ts';
import { ariRefresh } from './ari-refresh.ts';
import { deliverDue, deliverer, refreshAlerts } from './deliver.ts';
import { probeDomains } from './probe-domains.ts';
import { probeSweep } from './probe-sweep.ts';
import { replayRunner } from './replay-run.ts';
import { settler } from './settle.ts';
import type { WorkTools } from './tools.ts';

/** The pipe behind the queues: every job, and what runs it. */
export const handlersFor = (ctx: Ctx, tools: WorkTools): Handlers => ({
  'apply-group': groupApplier(ctx),
  'apply-event': (payload, meta) => applyEvent(ctx, payload, meta),
  'probe-sweep': () => probeSweep(ctx),
  'probe-domains': (payload) => probeDomains(ctx, tools.prober, payload),
  'ari-refresh': () => ariRefresh(ctx, tools.ari),
  'settle-domains': settler(ctx, tools),
  'replay-run': replayRunner(ctx, tools.stopping),
  deliver: deliverer(ctx, tools),
  'deliver-due': deliverDue(ctx, tools),
  'refresh-alerts': () => refreshAlerts(ctx, tools),
  'compact-counts': async () => {
    await compactCounts(ctx.db);
    return { kind: 'done' };
  },
});
