import type { Context } from 'hono';
import { findDomain } from '../db/domains.ts';
import { AppError } from '../errors.ts';
import { withinMs } from '../queues/bounded.ts';
import { noteChange } from './audited.ts';
import { probeAnswer } from './domain-schema.ts';
import type { HttpEnv } from './env.ts';
import { strictQuery } from './filters.ts';
import { readQuery } from './input.ts';
import { route } from './route.ts';
import { visible } from './scope.ts';

const enqueueMs = 2000;
const noQuery = strictQuery({});

/**
 * Has a domain looked at now, with a full handshake; does not wait for it.
 *
 * @throws AppError `not_found`; `unavailable` when the queue does not answer.
 */
export const probeNow = async (c: Context<HttpEnv>, { name }: { readonly name: string }): Promise<void> => {
  const { db, queues, log } = c.var.ctx;
  const found = visible(c, await findDomain(db, name));
  if (found === null) throw new AppError('not_found', 'The domain is not registered');
  // Not within a transaction: a slow queue would hold up every writer of the audit log.
  const queued = await withinMs(queues.enqueueProbes([found.id], true), enqueueMs);
  if (queued !== 'done') {
    log.warn({ backend: queues.backend }, 'a probe could not be queued');
    throw new AppError('unavailable', 'The queue does not answer, so nothing was probed: try again once it is back', {
      retryAfterSeconds: 5,
    });
  }
  await noteChange(c, db, { action: 'domain.probe', object: { type: 'domain', id: name }, orgId: found.org_id });
};

/** The route's answer to {@link probeNow}. */
export const answerProbe = async (c: Context<HttpEnv>, name: string) => {
  readQuery(c, noQuery);
  await probeNow(c, { name });
  return c.json({ ok: true, domain: name, queued: true }, 202);
};

export const describeProbe = route({
  summary: 'Look at what a domain serves, now and with a full handshake',
  tag: 'Domains',
  role: 'operator',
  scope: 'org',
  changes: 'domain.probe',
  path: { domain: 'Host name of a registered domain' },
  answers: { 202: { about: 'Queued; the domain shows what was found', schema: probeAnswer } },
  errors: [404],
  problems: { 503: 'The queue or the database is away; nothing was probed' },
});
