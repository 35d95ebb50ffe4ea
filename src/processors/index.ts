import type { Ctx } from '../context.ts';
import { compactCounts } from '../db/compact.ts';
import { foldActivity } from '../db/pipe-activity.ts';
import type { Handlers } from '../queues/catalog.ts';
import { applyEvent } from './apply-event.ts';
import { applyOpened, groupApplier } from './apply-group.ts';
import { ariRefresh } from './ari-refresh.ts';
import { atMost } from './at-most.ts';
import { auditCheckpointer } from './audit-checkpoint.ts';
import { deliverDue, deliverer, refreshAlerts } from './deliver.ts';
import { dlqPolicy } from './dlq-policy.ts';
import { probeDomains } from './probe-domains.ts';
import { probeSweep } from './probe-sweep.ts';
import { replayRunner } from './replay-run.ts';
import { retention } from './retention.ts';
import { expiryCounter, selfWatch } from './self-watch.ts';
import { settler } from './settle.ts';
import type { WorkTools } from './tools.ts';

// Of a sweep's jobs, each with its two hundred domains. What somebody asks for is one domain, and does not wait for them.
const sweptAtOnce = 16;

const prober = (ctx: Ctx, tools: WorkTools): Handlers['probe-domains'] => {
  const swept = atMost(sweptAtOnce);
  return (payload) => {
    const look = () => probeDomains(ctx, tools.prober, payload);
    return payload.asked ? look() : swept(look);
  };
};

/** The pipe behind the queues: every job, and what runs it. */
export const handlersFor = (ctx: Ctx, tools: WorkTools): Handlers => ({
  'apply-group': groupApplier(ctx),
  'apply-opened': (payload) => applyOpened(ctx, payload),
  'apply-event': (payload, meta) => applyEvent(ctx, payload, meta),
  'probe-sweep': () => probeSweep(ctx),
  'probe-domains': prober(ctx, tools),
  'ari-refresh': () => ariRefresh(ctx, tools.ari),
  'settle-domains': settler(ctx, tools),
  'audit-checkpoint': auditCheckpointer(ctx),
  'replay-run': replayRunner(ctx, tools.stopping),
  'dlq-policy': dlqPolicy(ctx, tools),
  'self-watch': () => selfWatch(ctx, tools),
  'count-expiry': () => expiryCounter(ctx),
  retention: () => retention(ctx, tools),
  deliver: deliverer(ctx, tools),
  'deliver-due': deliverDue(ctx, tools),
  'refresh-alerts': () => refreshAlerts(ctx, tools),
  'compact-counts': async () => {
    await compactCounts(ctx.db);
    await foldActivity(ctx.db, ctx.now());
    return { kind: 'done' };
  },
});
